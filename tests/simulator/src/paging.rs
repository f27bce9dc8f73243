//! Pages and their tokens. A token says nothing to who holds it, and is good for one account, region and listing.

use std::collections::VecDeque;

/// Tokens older than this many others have expired, so that a long run does not keep them all.
const KEPT: usize = 10_000;

/// The tokens that were given out.
#[derive(Debug, Default)]
pub(crate) struct Tokens(VecDeque<Token>);

#[derive(Debug)]
struct Token {
    text: String,
    account: String,
    region: String,
    /// The last id of the page before.
    after: String,
    /// The number of the page that it stands for.
    page: u32,
}

impl Tokens {
    /// A token for a page, which begins after an id.
    pub(crate) fn issue(&mut self, account: &str, region: &str, after: &str, page: u32) -> String {
        if self.0.len() >= KEPT {
            self.0.pop_front();
        }
        let text = format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple());
        self.0.push_back(Token {
            text: text.clone(),
            account: account.to_owned(),
            region: region.to_owned(),
            after: after.to_owned(),
            page,
        });
        text
    }

    /// Where a token's page starts, if it was given out for this account and region.
    pub(crate) fn redeem(&self, text: &str, account: &str, region: &str) -> Option<&str> {
        let token = self.find(text)?;
        (token.account == account && token.region == region).then_some(token.after.as_str())
    }

    /// The number of the page that a token stands for; 1 without a token or for one that was never given out.
    pub(crate) fn page(&self, text: Option<&str>) -> u32 {
        text.and_then(|text| self.find(text)).map_or(1, |token| token.page)
    }

    fn find(&self, text: &str) -> Option<&Token> {
        self.0.iter().rev().find(|token| token.text == text)
    }
}

//! Pages and their tokens. Tokens are opaque, and valid for one account, region and listing.

use std::collections::VecDeque;

/// At most this many tokens are kept; older ones have expired.
const KEPT: usize = 10_000;

/// The tokens that were given out.
#[derive(Debug, Default)]
pub(crate) struct Tokens(VecDeque<Token>);

#[derive(Debug)]
struct Token {
    text: String,
    account: String,
    region: String,
    /// The last id of the previous page.
    after: String,
    /// The number of the page.
    page: u32,
}

impl Tokens {
    /// Makes a token for the page that begins after an id.
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

    /// Where a token's page begins, if it was given out for this account and region.
    pub(crate) fn redeem(&self, text: &str, account: &str, region: &str) -> Option<&str> {
        let token = self.find(text)?;
        (token.account == account && token.region == region).then_some(token.after.as_str())
    }

    /// The number of the page of a token; 1 without a token or for an unknown one.
    pub(crate) fn page(&self, text: Option<&str>) -> u32 {
        text.and_then(|text| self.find(text)).map_or(1, |token| token.page)
    }

    fn find(&self, text: &str) -> Option<&Token> {
        self.0.iter().rev().find(|token| token.text == text)
    }
}

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
}

impl Tokens {
    /// A token for what comes after an id.
    pub(crate) fn issue(&mut self, account: &str, region: &str, after: &str) -> String {
        if self.0.len() >= KEPT {
            self.0.pop_front();
        }
        let text = format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple());
        self.0.push_back(Token {
            text: text.clone(),
            account: account.to_owned(),
            region: region.to_owned(),
            after: after.to_owned(),
        });
        text
    }

    /// Where a token's page starts, if it was given out for this account and region.
    pub(crate) fn redeem(&self, text: &str, account: &str, region: &str) -> Option<&str> {
        let token = self.0.iter().rev().find(|token| token.text == text)?;
        (token.account == account && token.region == region).then_some(token.after.as_str())
    }
}

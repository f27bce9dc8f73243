//! All connections of all accounts and regions, and the two operations on them.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::time::Instant;

use serde_json::{Value, json};

use crate::connection::Connection;
use crate::faults::{AnswerShows, ReadFaults};
use crate::link::Link;
use crate::paging::Tokens;
use crate::rules;
use crate::settings::{LARGEST_PAGE, Settings};
use crate::wire::{AwsError, Describe, Update};

/// All connections.
#[derive(Debug, Default)]
pub(crate) struct World {
    regions: BTreeMap<String, BTreeMap<String, Link>>,
    tokens: Tokens,
}

/// What is wrong with a connection in a region, if anything.
pub(crate) fn check(region: &str, connection: &Connection) -> Result<(), String> {
    let id = &connection.connection_id;
    if rules::check_id(id).is_err() {
        return Err(format!("connectionId is {id:?}, but must be dxcon- and 8 to 58 lower-case letters or digits"));
    }
    if region.is_empty() {
        return Err("region is empty, but must be one such as eu-central-1".to_owned());
    }
    Ok(())
}

/// The caller, and the current time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Caller<'a> {
    pub(crate) account: &'a str,
    pub(crate) region: &'a str,
    pub(crate) now: Instant,
}

impl World {
    /// Adds a connection, or replaces the one with the same id.
    pub(crate) fn add(&mut self, region: &str, mut connection: Connection) -> Result<(), String> {
        check(region, &connection)?;
        let id = connection.connection_id.clone();
        connection.region = Some(region.to_owned());
        self.regions.entry(region.to_owned()).or_default().insert(id, Link::new(connection));
        Ok(())
    }

    /// Removes a connection as if it had never existed. Returns whether it existed.
    pub(crate) fn remove(&mut self, region: &str, id: &str) -> bool {
        self.regions.get_mut(region).is_some_and(|links| links.remove(id).is_some())
    }

    /// A connection in its current state.
    pub(crate) fn link(
        &mut self,
        region: &str,
        id: &str,
        now: Instant,
        settings: &Settings,
    ) -> Result<&mut Link, String> {
        let link = self.regions.get_mut(region).and_then(|links| links.get_mut(id));
        let link = link.ok_or_else(|| format!("there is no connection {id:?} in region {region:?}"))?;
        link.advance(now, settings);
        Ok(link)
    }

    /// All connections in their current states, by region.
    pub(crate) fn all(&mut self, now: Instant, settings: &Settings) -> BTreeMap<String, Vec<Connection>> {
        let mut all = BTreeMap::new();
        for (region, links) in &mut self.regions {
            let mut shown = Vec::new();
            for link in links.values_mut() {
                link.advance(now, settings);
                shown.push(link.connection.clone());
            }
            all.insert(region.clone(), shown);
        }
        all
    }

    /// Carries out `DescribeConnections`.
    pub(crate) fn describe(
        &mut self,
        caller: Caller<'_>,
        settings: &Settings,
        request: &Describe,
        faults: &mut ReadFaults<'_>,
    ) -> Result<Value, AwsError> {
        if let Some(count) = request.max_results
            && count < 1
        {
            return Err(AwsError::client(format!("maxResults {count} is invalid. It must be 1 or more.")));
        }
        if let Some(id) = &request.connection_id {
            rules::check_id(id)?;
            return match self.visible(caller, settings, id).filter(|_| !faults.leave_out(id)) {
                Some(link) => Ok(json!({"connections": [faults.show(link, caller.now)]})),
                None if settings.missing_is_empty => Ok(json!({"connections": []})),
                None => Err(rules::not_found(id)),
            };
        }
        let after = match &request.next_token {
            None => None,
            Some(token) => {
                let place = self.tokens.redeem(token, caller.account, caller.region);
                Some(place.ok_or_else(|| AwsError::client("The pagination token is invalid."))?.to_owned())
            }
        };
        // AWS documents that a number above 100 returns 100.
        let asked = request.max_results.and_then(|count| usize::try_from(count).ok()).unwrap_or(LARGEST_PAGE);
        let next = self.page_of(request.next_token.as_deref()) + 1;
        Ok(self.page(caller, settings, after.as_deref(), asked.min(settings.page_size), next, faults))
    }

    /// The number of the page of the token.
    pub(crate) fn page_of(&self, token: Option<&str>) -> u32 {
        self.tokens.page(token)
    }

    fn page(
        &mut self,
        caller: Caller<'_>,
        settings: &Settings,
        after: Option<&str>,
        size: usize,
        next: u32,
        faults: &mut ReadFaults<'_>,
    ) -> Value {
        let Some(links) = self.regions.get_mut(caller.region) else {
            return json!({"connections": []});
        };
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut rest = links
            .range_mut::<str, _>((start, Bound::Unbounded))
            .map(|(_, link)| link)
            .filter(|link| link.connection.account() == caller.account)
            .peekable();

        let mut shown = Vec::new();
        let mut last = None;
        while shown.len() < size
            && let Some(link) = rest.next()
        {
            let id = link.connection.connection_id.clone();
            if !faults.leave_out(&id) {
                link.advance(caller.now, settings);
                shown.push(faults.show(link, caller.now));
            }
            last = Some(id);
        }
        match last.filter(|_| rest.peek().is_some()) {
            Some(last) => {
                let token = self.tokens.issue(caller.account, caller.region, &last, next);
                json!({"connections": shown, "nextToken": token})
            }
            None => json!({"connections": shown}),
        }
    }

    /// Carries out `UpdateConnection`. Returns the connection for the answer, and whether it changed. `stored` is
    /// called once the update is accepted, and returns what to store.
    pub(crate) fn update(
        &mut self,
        caller: Caller<'_>,
        settings: &Settings,
        sent: &Update,
        stored: impl FnOnce() -> (Update, AnswerShows),
    ) -> Result<(Value, bool), AwsError> {
        let id = sent.connection_id.as_deref().ok_or_else(|| AwsError::client("Connection ID is required."))?;
        rules::check_id(id)?;
        let link = self.visible(caller, settings, id).ok_or_else(|| rules::not_found(id))?;
        rules::check_update(&link.connection, sent.connection_name.as_deref(), sent.encryption_mode.as_deref())?;

        let (stored, answer_shows) = stored();
        let before = &link.connection;
        let differs = |stored: &Option<String>, before: &str| stored.as_deref().is_some_and(|stored| stored != before);
        let changes =
            differs(&stored.connection_name, before.name()) || differs(&stored.encryption_mode, before.mode());
        if changes {
            link.update(caller.now, settings, |connection| set(connection, &stored));
        }
        let mut shown = link.connection.clone();
        if answer_shows == AnswerShows::Sent {
            set(&mut shown, sent);
        }
        Ok((json!(shown), changes))
    }

    /// A connection that the caller may see. Those of other accounts do not exist for it.
    fn visible(&mut self, caller: Caller<'_>, settings: &Settings, id: &str) -> Option<&mut Link> {
        let link = self.link(caller.region, id, caller.now, settings).ok()?;
        (link.connection.account() == caller.account).then_some(link)
    }
}

/// Sets the fields of an update.
fn set(connection: &mut Connection, update: &Update) {
    for (field, value) in [
        (&mut connection.connection_name, &update.connection_name),
        (&mut connection.encryption_mode, &update.encryption_mode),
    ] {
        if value.is_some() {
            field.clone_from(value);
        }
    }
}

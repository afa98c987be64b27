//! The tables: what there is, page by page.

use std::{fmt::Write, sync::Arc, time::Duration};

use serde_json::{Value, json};
use tokio::time::Instant;
use ws_channels::ChannelName;
use ws_handler::{Application, Client, ConnectionId, WebSocketHandler};

use super::{Inner, ask::Fields, fault::Fault};
use crate::report;

/// How many are listed at most, and how many unless it is said.
const LISTED_MAX: u64 = 200;
const LISTED: u64 = 50;
/// Channels of one connection that are listed.
const CHANNELS_LISTED_MAX: usize = 1000;
/// How long is looked for what matches, before the page is asked whether to go on.
const SEARCH_TIME: Duration = Duration::from_millis(250);
/// Connections that are looked through between two looks at the clock.
const SEARCH_BATCH: usize = 8192;

impl<A: Application> Inner<A> {
    pub(super) async fn connections(self: &Arc<Self>, fields: &Fields) -> Result<Value, Fault> {
        let limit = limit(fields)?;
        let after = fields.text("after")?.map(|text| id_of("after", text)).transpose()?;
        let search = fields.text("search")?.map(Search::new);
        let user = fields.text("user")?.map(ToOwned::to_owned);
        // One user may have as many as there are.
        let look = move |handler: &WebSocketHandler<A>| match (user, search) {
            (Some(user), search) => of_user(handler, &user, search.as_ref(), after, limit),
            (None, None) => Page::of(handler.connections_after(after, limit + 1), limit),
            (None, Some(search)) => search.run(handler, after, limit),
        };
        let page = self.look(look).await.ok_or(Fault::INTERNAL)?;
        let total = page.total.unwrap_or_else(|| self.handler.connection_count());
        let items: Vec<Value> =
            page.clients.iter().map(|client| report::connection(client)).collect();
        let next = page.next.map(|id| id.to_string());
        Ok(json!({ "type": "connections", "items": items, "next": next, "total": total }))
    }

    pub(super) async fn connection(self: &Arc<Self>, fields: &Fields) -> Result<Value, Fault> {
        let client = self.handler.connection(connection_id(fields)?).ok_or(Fault::NO_CONNECTION)?;
        let mut answer = report::connection(&client);
        answer["queuedBytes"] = client.outbox().queued_bytes().into();
        let channels = self.look(move |handler| handler.subscriptions_of(&client)).await;
        let channels = channels.ok_or(Fault::INTERNAL)?;
        answer["channelCount"] = channels.len().into();
        let listed = channels.iter().take(CHANNELS_LISTED_MAX);
        answer["channels"] = listed.map(ChannelName::as_str).collect();
        Ok(json!({ "type": "connection", "connection": answer }))
    }

    /// How connections of a user ended, also where none is left.
    pub(super) fn ends(&self, fields: &Fields) -> Result<Value, Fault> {
        let user = fields.needed_text("user", "a user's name is expected")?;
        let ends: Vec<_> = self.handler.ends_by_user_id(user).iter().map(report::end).collect();
        Ok(json!({ "type": "ends", "user": user, "ends": ends }))
    }

    pub(super) async fn channels(self: &Arc<Self>, fields: &Fields) -> Result<Value, Fault> {
        let limit = limit(fields)?;
        let after = fields.text("after")?.map(ToOwned::to_owned);
        let search = fields.text("search")?.unwrap_or_default().to_owned();
        let look = move |handler: &WebSocketHandler<A>| {
            handler.channels_where(after.as_deref(), limit + 1, |name| name.contains(&search))
        };
        let mut found = self.look(look).await.ok_or(Fault::INTERNAL)?;
        let has_more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| has_more).map(|channel| channel.name.as_str());
        let items: Vec<Value> = found
            .iter()
            .map(|channel| json!({ "name": &*channel.name, "subscribers": channel.subscribers }))
            .collect();
        let total = self.handler.channel_stats().channels;
        Ok(json!({ "type": "channels", "items": items, "next": next, "total": total }))
    }
}

/// Connections, and where to go on.
struct Page {
    clients: Vec<Arc<Client>>,
    next: Option<ConnectionId>,
    /// Of how many; `None` for all that there are.
    total: Option<usize>,
}

impl Page {
    /// Of one more than are to be listed.
    fn of(mut clients: Vec<Arc<Client>>, limit: usize) -> Self {
        let has_more = clients.len() > limit;
        clients.truncate(limit);
        let next = clients.last().filter(|_| has_more).map(|client| client.id());
        Self { clients, next, total: None }
    }
}

fn of_user<A: Application>(
    handler: &WebSocketHandler<A>,
    user: &str,
    search: Option<&Search>,
    after: Option<ConnectionId>,
    limit: usize,
) -> Page {
    let mut clients = handler.connections_by_user_id(user);
    let (total, mut written) = (clients.len(), String::new());
    clients.retain(|client| {
        after.is_none_or(|after| client.id() > after)
            && search.is_none_or(|search| search.finds(client, &mut written))
    });
    clients.sort_unstable_by_key(|client| client.id());
    Page { total: Some(total), ..Page::of(clients, limit) }
}

/// A text that is part of the user's name, the address or the id, in whatever case.
struct Search {
    text: String,
    /// Whether it could be part of an address or an id at all: neither is written down otherwise.
    is_of_digits: bool,
}

impl Search {
    fn new(text: &str) -> Self {
        let text = text.to_ascii_lowercase();
        let is_of_digits = text.bytes().all(|b| b.is_ascii_hexdigit() || b".:-".contains(&b));
        Self { text, is_of_digits }
    }

    /// Looks for so long and no longer: where that was not enough, there is a next page, however
    /// little is on this one.
    fn run<A: Application>(
        &self,
        handler: &WebSocketHandler<A>,
        mut after: Option<ConnectionId>,
        limit: usize,
    ) -> Page {
        let until = Instant::now() + SEARCH_TIME;
        let (mut clients, mut written) = (Vec::new(), String::new());
        loop {
            let batch = handler.connections_after(after, SEARCH_BATCH);
            let is_last = batch.len() < SEARCH_BATCH;
            after = batch.last().map(|client| client.id());
            for client in batch {
                if !self.finds(&client, &mut written) {
                    continue;
                }
                if clients.len() == limit {
                    let next = clients.last().map(|client: &Arc<Client>| client.id());
                    return Page { clients, next, total: None };
                }
                clients.push(client);
            }
            if is_last {
                return Page { clients, next: None, total: None };
            }
            if Instant::now() >= until {
                return Page { clients, next: after, total: None };
            }
        }
    }

    fn finds(&self, client: &Client, written: &mut String) -> bool {
        if client.user_id().is_some_and(|user| contains(&user, &self.text)) {
            return true;
        }
        if !self.is_of_digits {
            return false;
        }
        written.clear();
        // The space is in no text that is looked for here. Writing to a string does not fail.
        let _ = write!(written, "{} {}", client.address(), client.id());
        written.contains(&self.text)
    }
}

/// Whether a part of the text is that, in whatever case.
fn contains(text: &str, part: &str) -> bool {
    let (text, part) = (text.as_bytes(), part.as_bytes());
    text.windows(part.len()).any(|window| window.eq_ignore_ascii_case(part))
}

pub(super) fn connection_id(fields: &Fields) -> Result<ConnectionId, Fault> {
    id_of("connection", fields.needed_text("connection", "a connection's id is expected")?)
}

fn id_of(field: &str, text: &str) -> Result<ConnectionId, Fault> {
    text.parse().map_err(|error| Fault::invalid(field, error))
}

fn limit(fields: &Fields) -> Result<usize, Fault> {
    Ok(fields.number("limit", LISTED_MAX)?.unwrap_or(LISTED) as usize)
}

//! What becomes of the users of a dead node.

use std::time::Duration;

use futures_util::{StreamExt, stream};

use super::{OfflineCause, USER, Users, key_of, record::Entries};
use crate::{EngineError, Life, Members, NodeId, Record};

/// What settling an estate came to, as far as this node did it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// Users who had been connected to the dead node.
    pub users: usize,
    /// Those of them who are offline now.
    pub offline: usize,
}

impl Settled {
    fn add(&mut self, other: Self) {
        self.users += other.users;
        self.offline += other.offline;
    }
}

/// So long it is waited before what failed is tried again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

impl Users {
    /// What is to follow on [`MembersListener::handle_estate`](crate::MembersListener::handle_estate), in
    /// a task of its own: settles, concludes, and tries again until both are done. Answers what the last try came
    /// to.
    pub async fn settle_estate(&self, members: &Members, node: NodeId, life: Life) -> Settled {
        loop {
            if let Ok(settled) = self.settle(node, life).await
                && members.conclude(node, life).await.is_ok()
            {
                return settled;
            }
            tokio::time::sleep(RETRY_AFTER).await;
        }
    }

    /// Takes a dead node out of all records, and tells who is offline now. Looks at the record of every user,
    /// some at a time. Done twice, or by two nodes at once, it does the rest, and nobody is told of twice.
    ///
    /// Who is left by this is told of in two steps: the record says who tells, and then that one tells. So a
    /// lost answer leaves no doubt; but whoever says so and is killed before it tells has forgotten it.
    ///
    /// # Errors
    ///
    /// The engine's: to be done again.
    pub async fn settle(&self, node: NodeId, life: Life) -> Result<Settled, EngineError> {
        let keys = self.engine.keys(USER).await?;
        let settled = stream::iter(keys).map(|key| async move {
            let user = key.strip_prefix(USER).unwrap_or(&key);
            self.settle_user(user, node, life).await
        });
        // All of them, also behind one that has failed: what is under way may be done already, and is to
        // be told.
        let (sum, failed) = settled
            .buffer_unordered(self.config.in_flight_max.get())
            .fold((Settled::default(), None), |(mut sum, failed), one| async move {
                match one {
                    Ok(one) => {
                        sum.add(one);
                        (sum, failed)
                    }
                    Err(error) => (sum, failed.or(Some(error))),
                }
            })
            .await;
        failed.map_or(Ok(sum), Err)
    }

    /// As [`settle`](Self::settle), for one user.
    ///
    /// # Errors
    ///
    /// The engine's: to be done again.
    pub async fn settle_user(
        &self,
        user: &str,
        node: NodeId,
        life: Life,
    ) -> Result<Settled, EngineError> {
        let key = key_of(user);
        let mut record = self.engine.get(&key).await?;
        loop {
            let Some(Record { value, revision }) = record else { return Ok(Settled::default()) };
            let mut entries = Entries::decode(&value);
            if let Some(token) = entries.told()
                && self.state.lock().untold.remove(token)
            {
                // Ours, of which we did not know whether it was written.
                let token = token.to_owned();
                return self.tell(user, &token, Some(Record { value, revision })).await;
            }
            let taken = entries.take_out(node, life);
            if !taken.count && !taken.told {
                return Ok(Settled::default());
            }
            let token = (taken.count && entries.is_empty()).then(|| self.token());
            if let Some(token) = &token {
                entries = Entries::telling(token);
            }
            let value = entries.encode();
            match self.engine.put(&key, value.clone(), Some(revision)).await {
                Ok(Ok(revision)) => {
                    let record = value.map(|value| Record { value, revision });
                    return match token {
                        Some(token) => self.tell(user, &token, record).await,
                        None => Ok(Settled { users: usize::from(taken.count), offline: 0 }),
                    };
                }
                Ok(Err(conflict)) => record = conflict.current,
                Err(error) => {
                    if let (EngineError::Unknown { .. }, Some(token)) = (&error, token) {
                        self.state.lock().untold.insert(token);
                    }
                    return Err(error);
                }
            }
        }
    }

    async fn tell(
        &self,
        user: &str,
        token: &str,
        record: Option<Record>,
    ) -> Result<Settled, EngineError> {
        self.state.lock().untold.remove(token);
        self.listener.handle_offline(user, OfflineCause::NodeLost);
        if let Some(Record { revision, .. }) = record {
            // Who is back has taken it away already. And if it stays: it says that it was told, which is
            // true, until the user is back, or this node's own estate is settled.
            let _ = self.engine.put(&key_of(user), None, Some(revision)).await;
        }
        Ok(Settled { users: 1, offline: 1 })
    }
}

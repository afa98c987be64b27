//! A client in a pool.

use super::Client;
use crate::{
    builder::ClientBuilder,
    error::Error,
    pool::{Pool, PoolConfig, Poolable},
};

impl Poolable for Client {
    type Error = Error;

    /// One that is on its way back is good: it comes back.
    fn is_healthy(&self) -> bool {
        self.stopped().is_none()
    }

    async fn close(&self) {
        Self::close(self).await;
    }
}

impl Pool<Client> {
    /// A pool of clients, each for an address and a token. `build` has a say in how each is made.
    pub fn of_clients(
        config: PoolConfig,
        build: impl Fn(ClientBuilder) -> ClientBuilder + Send + Sync + 'static,
    ) -> Self {
        Self::new(config, move |url, token| {
            let builder = Client::builder(url);
            let builder = if token.is_empty() { builder } else { builder.token(token) };
            let client = build(builder).connect();
            async move {
                let client = client?;
                client.ready().await?;
                Ok(client)
            }
        })
    }
}

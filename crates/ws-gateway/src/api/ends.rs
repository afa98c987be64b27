//! How connections of a user ended: what is kept of those who are here, and of those who are gone.

use axum::{
    extract::{Path, State, rejection::PathRejection},
    response::Response,
};
use serde_json::{Value, json};
use ws_handler::Application;

use super::{Shared, answer, fault::Fault, orders::part};
use crate::report;

pub(super) async fn of_user<A: Application>(
    State(api): Shared<A>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, Fault> {
    let user = part("the user's id", id)?;
    let ends: Vec<Value> = api.handler.ends_by_user_id(&user).iter().map(report::end).collect();
    Ok(answer(&json!({ "userId": user, "ends": ends })))
}

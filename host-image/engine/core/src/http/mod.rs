//! HTTP in and out.

pub mod call;
pub mod connect;
pub mod connections;
pub mod drive;
pub mod egress;
pub mod reply;
pub mod router;
pub mod server;
mod timed_body;

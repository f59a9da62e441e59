//! HTTP in and out.

pub mod call;
pub mod connect;
pub mod connections;
pub mod drive;
pub mod egress;
pub mod reply;
pub mod router;
pub mod server;
pub mod shared;
mod timed_body;
pub mod tls;
mod watched;
mod writing;

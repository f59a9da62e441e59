//! What a workload may reach: the lists it brings, and the addresses no list can open.

#[cfg(test)]
mod cases;
pub mod lists;
pub mod lookups;
pub mod loopback_ports;
pub mod policy;
pub mod resolver;
pub mod rules;
pub mod sockets;

//! What a workload may reach: the lists it brings, and the addresses no list can open.

#[cfg(test)]
mod cases;
pub mod lists;
pub mod lookups;
pub mod loopback;
pub mod loopback_ports;
pub mod names;
pub mod policy;
mod resolved;
pub mod resolver;
pub mod rules;
pub mod sockets;
pub mod tcp_0_2;
pub mod tcp_0_3;
pub mod udp_0_2;
pub mod view;

//! What the host side of `wasi:sockets` needs of a store. It stands between the guests and the WASI crate, which knows
//! no names and no loopback of a workload's own.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use wasmtime::component::{HasData, Resource};
use wasmtime_wasi::sockets::WasiSocketsCtxView;

use super::sockets::{Reach, Refusal};
use crate::instance::{Guest, Seat};

/// What is remembered of a store's open resources, by their number in its table.
#[derive(Default)]
pub struct Notes {
    /// The name that each open stream of addresses was asked for.
    pub asked: HashMap<u32, String>,
    /// The real address of each socket that has a port of the workload's loopback.
    pub bound: HashMap<u32, SocketAddr>,
    /// What each socket that the guest opened takes of its component's room for sockets.
    open: HashMap<u32, Seat>,
}

/// The sockets of one store.
pub struct SocketsView<'a> {
    /// The WASI crate's own.
    pub plain: WasiSocketsCtxView<'a>,
    pub reach: &'a Arc<Reach>,
    pub notes: &'a mut Notes,
}

/// Names the type of a view for the linker.
pub struct Sockets;

impl HasData for Sockets {
    type Data<'a> = SocketsView<'a>;
}

pub fn view(guest: &mut Guest) -> SocketsView<'_> {
    SocketsView {
        plain: WasiSocketsCtxView {
            ctx: guest.wasi.sockets(),
            table: &mut guest.table,
        },
        reach: &guest.reach,
        notes: &mut guest.socket_notes,
    }
}

/// The view that the WASI crate's own functions take.
pub fn plain_view(guest: &mut Guest) -> WasiSocketsCtxView<'_> {
    view(guest).plain
}

/// The same resource once more, for a function that takes it.
pub fn again<T: 'static>(resource: &Resource<T>) -> Resource<T> {
    Resource::new_borrow(resource.rep())
}

impl SocketsView<'_> {
    /// Gives the socket a port of the workload's loopback.
    pub fn note_bound(&mut self, rep: u32, asked: SocketAddr, real: SocketAddr) {
        self.reach.loopback.bind(asked, real);
        self.notes.bound.insert(rep, real);
    }

    /// Room for one socket more.
    ///
    /// # Errors
    /// That there is none.
    pub fn room_for_socket(&self) -> Result<Seat, Refusal> {
        self.reach.sockets.take().ok_or(Refusal::TooMany)
    }

    pub fn note_open(&mut self, rep: u32, room: Seat) {
        self.notes.open.insert(rep, room);
    }

    /// Frees the room and the port of a socket that is dropped.
    pub fn note_dropped(&mut self, rep: u32) {
        self.notes.open.remove(&rep);
        if let Some(real) = self.notes.bound.remove(&rep) {
            self.reach.loopback.unbind(real);
        }
    }
}

/// The output of a future that has nothing to wait for, None where it would wait. A bind of the WASI crate is a future
/// for the sake of the check of the address, and ours is done at once.
pub fn at_once<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

//! One request, carried into an instance: `wasi:http` 0.2 and 0.3.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::oneshot;
use wasmtime::component::{Accessor, Resource};
use wasmtime_wasi_http::handler::Proxy;
use wasmtime_wasi_http::p2::bindings::http::types::Scheme;
use wasmtime_wasi_http::p3::bindings::Service;
use wasmtime_wasi_http::{Error, WasiBody, WasiHttpView, p3};

use crate::instance::{Guest, Instance, Instances, NoInstance};

/// The host's word to the guest on how its response was sent.
pub type Sending = Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;

/// The head of the guest's response, or the error code it answered with.
pub type Answer = Result<http::Response<WasiBody>, String>;

/// How a guest's work for a request ended.
#[derive(Clone, Debug)]
pub enum Outcome {
    Done,
    /// A trap, with its reason; or an instance that could not be made.
    Trapped(String),
    /// No instance was free.
    Full,
}

/// The end of a guest's work for a request.
pub struct End {
    pub outcome: Outcome,
    /// The instance that failed. As long as it lives the body of its response stays open, so whoever reads the body hears of the
    /// failure before it could take the cut for an end.
    _wreck: Option<Instance>,
}

impl From<Outcome> for End {
    fn from(outcome: Outcome) -> Self {
        Self {
            outcome,
            _wreck: None,
        }
    }
}

/// Takes an instance, lets it answer through `answer`, and ends when the guest has nothing left to do.
pub async fn run(
    instances: Arc<Instances>,
    request: http::Request<WasiBody>,
    answer: oneshot::Sender<Answer>,
) -> End {
    let mut instance = match instances.take().await {
        Ok(instance) => instance,
        Err(NoInstance::Full) => return Outcome::Full.into(),
        Err(NoInstance::Failed(error)) => {
            return Outcome::Trapped(format!("no instance could be made: {error:#}")).into();
        }
    };
    match call(&mut instance, request, answer).await {
        Ok(()) => {
            instances.give_back(instance);
            Outcome::Done.into()
        }
        Err(error) => End {
            outcome: Outcome::Trapped(describe_trap(&error)),
            _wreck: Some(instance),
        },
    }
}

/// The cause, then where in the guest it happened, on one line.
pub fn describe_trap(error: &wasmtime::Error) -> String {
    let place: Vec<_> = error
        .to_string()
        .lines()
        .map(|line| line.trim().to_owned())
        .collect();
    format!("{} ({})", error.root_cause(), place.join(" "))
}

async fn call(
    instance: &mut Instance,
    request: http::Request<WasiBody>,
    answer: oneshot::Sender<Answer>,
) -> wasmtime::Result<()> {
    let Instance { store, proxy, .. } = instance;
    match proxy {
        Proxy::P2(proxy) => {
            let mut view = store.data_mut().http();
            let scheme = match request.uri().scheme() {
                Some(scheme) if *scheme == http::uri::Scheme::HTTPS => Scheme::Https,
                _ => Scheme::Http,
            };
            let request = view.new_incoming_request(scheme, request)?;
            let out = view.new_response_outparam_from_callback(move |response| {
                // The client may be gone; then nobody waits for the answer.
                let _ = answer.send(response.map_err(|code| format!("{code:?}")));
            })?;
            proxy
                .wasi_http_incoming_handler()
                .call_handle(store, request, out)
                .await
        }
        Proxy::P3(service) => {
            let (request, sent) = new_request_0_3(store.data_mut(), request)?;
            store
                .run_concurrent(async |accessor| {
                    answer_0_3(accessor, service, request, sent, answer).await?;
                    poll_fn(|cx| accessor.poll_no_interesting_tasks(cx)).await;
                    Ok(())
                })
                .await?
        }
    }
}

/// The request as the guest will see it, and how the sending of its response went.
pub fn new_request_0_3(
    guest: &mut Guest,
    request: http::Request<WasiBody>,
) -> wasmtime::Result<(Resource<p3::Request>, Sending)> {
    let view = guest.http();
    let (request, sent) = p3::Request::from_http(view.hooks, request);
    Ok((view.table.push(request)?, Box::pin(sent)))
}

/// Ends when the head of the response is there; the guest may still have to write the body.
pub async fn answer_0_3(
    accessor: &Accessor<Guest>,
    service: &Service,
    request: Resource<p3::Request>,
    sent: Sending,
    answer: oneshot::Sender<Answer>,
) -> wasmtime::Result<()> {
    let response = service.wasi_http_handler().call_handle(accessor, request).await?;
    let head = match response {
        Err(code) => Err(format!("{code:?}")),
        Ok(response) => Ok(accessor.with(|mut store| {
            let response = store.data_mut().http().table.delete(response)?;
            response.into_http_with_getter(&mut store, sent, Guest::http)
        })?),
    };
    // The client may be gone; then nobody waits for the answer.
    let _ = answer.send(head);
    Ok(())
}

//! A guest that computes on the GPU (`wasi:webgpu`), on WASI 0.3. `../README.md` says what each path does.

mod compute;
mod gpu {
    wasip3::wit_bindgen::generate!({
        path: "wit",
        world: "guest",
        runtime_path: "wasip3::wit_bindgen::rt",
        generate_all,
    });
}

use compute::{Refused, device, hold, run};
use wasip3::http::types::{ErrorCode, Fields, Request, Response};
use wasip3::{spawn_local, wit_future, wit_stream};

struct WebGpu;

wasip3::http::service::export!(WebGpu);

impl wasip3::exports::http::handler::Guest for WebGpu {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let target = request.get_path_with_query().unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        Ok(match answer(path, query).await {
            Ok(said) => text(200, said),
            Err(why) => text(503, why),
        })
    }
}

async fn answer(path: &str, query: &str) -> Result<String, Refused> {
    let number = query.split_once('=').and_then(|(_, value)| value.parse().ok()).unwrap_or(1);
    match path {
        "/double" => {
            let doubled = run(&device().await?, include_str!("double.wgsl"), 4, &[1, 2, 3, number]).await?;
            Ok(format!("{doubled:?}"))
        }
        "/spin" => {
            run(&device().await?, include_str!("spin.wgsl"), number, &[0]).await?;
            Ok("spun".to_owned())
        }
        "/hold" => {
            let device = device().await?;
            hold(&device, number.into()).await?;
            core::mem::forget(device);
            Ok("held".to_owned())
        }
        "/label" => Ok(device().await?.label()),
        _ => Err(format!("no such path: {path}")),
    }
}

fn text(status: u16, text: String) -> Response {
    let (mut body, rx) = wit_stream::new();
    spawn_local(async move {
        body.write_all(text.into_bytes()).await;
    });
    let (_, trailers) = wit_future::new(|| Ok(None));
    let (response, _sent) = Response::new(Fields::new(), Some(rx), trailers);
    response.set_status_code(status).expect("a status of HTTP");
    response
}

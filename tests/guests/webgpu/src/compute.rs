//! What is asked of the GPU.

use crate::gpu::wasi::webgpu::webgpu::{
    self, GpuAdapter, GpuBindGroupDescriptor, GpuBindGroupEntry, GpuBindingResource, GpuBuffer,
    GpuBufferDescriptor, GpuBufferUsage, GpuCommandEncoder, GpuComputePipeline, GpuComputePipelineDescriptor,
    GpuDevice, GpuErrorFilter, GpuLayoutMode, GpuMapMode, GpuProgrammableStage, GpuShaderModuleDescriptor,
};

/// Why something could not be had of the GPU, in words.
pub type Refused = String;

pub async fn device() -> Result<GpuDevice, Refused> {
    let adapter: GpuAdapter = webgpu::get_gpu().request_adapter(None).await.ok_or("no adapter")?;
    adapter.request_device(None).await.map_err(|error| format!("no device: {}", error.message))
}

/// Runs the shader's entry point `main` so many times on these numbers, and returns what it made of them.
pub async fn run(device: &GpuDevice, code: &str, times: u32, numbers: &[u32]) -> Result<Vec<u32>, Refused> {
    let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    let size = bytes.len() as u64;
    let work =
        buffer(device, size, GpuBufferUsage::STORAGE | GpuBufferUsage::COPY_SRC | GpuBufferUsage::COPY_DST);
    let out = buffer(device, size, GpuBufferUsage::MAP_READ | GpuBufferUsage::COPY_DST);
    let queue = device.queue();
    queue.write_buffer_with_copy(&work, 0, &bytes, None, None).map_err(|error| error.message)?;
    device.push_error_scope(GpuErrorFilter::Validation);
    let pipeline = pipeline(device, code);
    let encoder = device.create_command_encoder(None);
    dispatch(device, &encoder, &pipeline, &work, times)?;
    encoder.copy_buffer_to_buffer(&work, None, &out, None, None);
    queue.submit(&[&encoder.finish(None)]);
    nothing_wrong(device).await?;
    out.map_async(GpuMapMode::READ, None, None).await.map_err(|error| error.message)?;
    let bytes = out.get_mapped_range_get_with_copy(None, None).map_err(|error| error.message)?;
    Ok(bytes.chunks_exact(4).map(|word| u32::from_le_bytes(word.try_into().expect("four bytes"))).collect())
}

/// Takes so much of the GPU's memory, has the GPU write to all of it, and gives none of it back.
pub async fn hold(device: &GpuDevice, mebibytes: u64) -> Result<(), Refused> {
    device.push_error_scope(GpuErrorFilter::OutOfMemory);
    let held = buffer(device, mebibytes << 20, GpuBufferUsage::COPY_SRC | GpuBufferUsage::COPY_DST);
    nothing_wrong(device).await?;
    let out = buffer(device, 4, GpuBufferUsage::MAP_READ | GpuBufferUsage::COPY_DST);
    let encoder = device.create_command_encoder(None);
    encoder.clear_buffer(&held, None, None);
    encoder.copy_buffer_to_buffer(&held, None, &out, None, Some(4));
    device.queue().submit(&[&encoder.finish(None)]);
    out.map_async(GpuMapMode::READ, None, None).await.map_err(|error| error.message)?;
    core::mem::forget(held);
    Ok(())
}

/// The error that was met since the last `push_error_scope`.
async fn nothing_wrong(device: &GpuDevice) -> Result<(), Refused> {
    match device.pop_error_scope().await {
        Ok(None) => Ok(()),
        Ok(Some(error)) => Err(error.message()),
        Err(error) => Err(error.message),
    }
}

fn buffer(device: &GpuDevice, size: u64, usage: GpuBufferUsage) -> GpuBuffer {
    device.create_buffer(&GpuBufferDescriptor { size, usage, mapped_at_creation: None, label: None })
}

fn pipeline(device: &GpuDevice, code: &str) -> GpuComputePipeline {
    let module = device.create_shader_module(&GpuShaderModuleDescriptor {
        code: code.to_owned(),
        compilation_hints: None,
        label: None,
    });
    device.create_compute_pipeline(GpuComputePipelineDescriptor {
        compute: GpuProgrammableStage {
            module: &module,
            entry_point: Some("main".to_owned()),
            constants: None,
        },
        layout: GpuLayoutMode::Auto,
        label: None,
    })
}

fn dispatch(
    device: &GpuDevice,
    encoder: &GpuCommandEncoder,
    pipeline: &GpuComputePipeline,
    work: &GpuBuffer,
    times: u32,
) -> Result<(), Refused> {
    let layout = pipeline.get_bind_group_layout(0);
    let entries = vec![GpuBindGroupEntry { binding: 0, resource: GpuBindingResource::GpuBuffer(work) }];
    let group = device.create_bind_group(&GpuBindGroupDescriptor { layout: &layout, entries, label: None });
    let pass = encoder.begin_compute_pass(None);
    pass.set_pipeline(pipeline);
    pass.set_bind_group(0, Some(&group), None, None, None).map_err(|error| error.message)?;
    pass.dispatch_workgroups(times, None, None);
    pass.end();
    Ok(())
}

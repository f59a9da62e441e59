@group(0) @binding(0) var<storage, read_write> numbers: array<u32>;

// Each turn needs the one before it, so that no compiler can shorten it.
@compute @workgroup_size(1)
fn spin(@builtin(global_invocation_id) id: vec3u) {
    let turns = numbers[id.x] * 1000000u;
    var value = 1u;
    for (var turn = 0u; turn < turns; turn++) {
        value = (value ^ (value << 13u)) * 1664525u + turn;
    }
    numbers[id.x] = value;
}

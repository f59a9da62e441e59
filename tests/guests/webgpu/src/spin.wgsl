@group(0) @binding(0) var<storage, read_write> numbers: array<u32>;

// Each turn needs the one before it, so that no compiler can shorten it. Some drivers end a loop after 65,535 turns.
@compute @workgroup_size(1)
fn main(@builtin(global_invocation_id) id: vec3u) {
    var value = id.x + 1u;
    for (var turn = 0u; turn < 60000u; turn++) {
        value = (value ^ (value << 13u)) * 1664525u + turn;
    }
    numbers[0] = value;
}

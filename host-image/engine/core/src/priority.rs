//! Thread priorities.

/// For guests over their budget. While both want the same core, the kernel gives such a thread a third of what it gives a
/// thread that serves requests, and lets the latter go first whenever it wakes up.
pub const HEAVY: i32 = 5;
/// For the compiler: a start must not wait for ever on a busy host.
pub const COMPILER: i32 = 2;

/// Makes the calling thread, and the threads it will start, give way to the others by so many steps of niceness.
pub fn lower_this_thread(steps: i32) {
    // SAFETY: setpriority takes numbers and touches no memory of ours. On Linux, 0 means the calling thread alone. Raising
    // niceness is always permitted; if it were not, the thread would merely be less polite.
    unsafe {
        let now = libc::getpriority(libc::PRIO_PROCESS, 0);
        libc::setpriority(libc::PRIO_PROCESS, 0, (now + steps).min(19));
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn only_the_calling_thread_is_lowered() {
        // SAFETY: as above.
        let nice = || unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) };
        let before = nice();
        let lowered = std::thread::spawn(move || {
            super::lower_this_thread(super::HEAVY);
            nice()
        });
        assert_eq!(lowered.join().unwrap(), (before + super::HEAVY).min(19));
        assert_eq!(nice(), before);
    }
}

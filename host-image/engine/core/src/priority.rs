//! Thread priorities.

/// Steps of niceness that a thread of less important work gives way by; the kernel then gives it about a tenth of what
/// it gives a thread that serves requests, while both want the same core.
const NICER: i32 = 10;

/// Makes the calling thread, and the threads it will start, give way to the others.
pub fn lower_this_thread() {
    // SAFETY: setpriority takes numbers and touches no memory of ours. On Linux, 0 means the calling thread alone. Raising
    // niceness is always permitted; if it were not, the thread would merely be less polite.
    unsafe {
        let now = libc::getpriority(libc::PRIO_PROCESS, 0);
        libc::setpriority(libc::PRIO_PROCESS, 0, (now + NICER).min(19));
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
            super::lower_this_thread();
            nice()
        });
        assert_eq!(lowered.join().unwrap(), (before + super::NICER).min(19));
        assert_eq!(nice(), before);
    }
}

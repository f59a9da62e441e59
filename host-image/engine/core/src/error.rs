//! The one error that crosses the border: a kind for programs, a sentence for people.

use std::fmt;

/// Why the engine refused or failed; the names are what Python sees as `EngineError.kind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A bad allow-list entry.
    Egress,
    /// Not a component, or one that can't be compiled.
    Artifact,
    /// An import that nothing provides.
    Link,
    /// The HTTP name belongs to another namespace, or nothing answers for it.
    Route,
    /// The id runs other content.
    Conflict,
    /// Stopped while starting.
    Stopped,
    /// The registry.
    Pull,
    /// Bad settings or a bad specification.
    Config,
    /// The listener's address can't be bound.
    Address,
    /// A fault of ours.
    Internal,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Kind::Egress => "egress",
            Kind::Artifact => "artifact",
            Kind::Link => "link",
            Kind::Route => "route",
            Kind::Conflict => "conflict",
            Kind::Stopped => "stopped",
            Kind::Pull => "pull",
            Kind::Config => "config",
            Kind::Address => "address",
            Kind::Internal => "internal",
        }
    }
}

/// A failure that a person can act on; its text is the whole chain of causes.
#[derive(Clone, Debug)]
pub struct EngineError {
    pub kind: Kind,
    pub message: String,
}

pub type Result<T, E = EngineError> = std::result::Result<T, E>;

impl EngineError {
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }

    pub fn config(message: impl Into<String>) -> Self {
        Self::new(Kind::Config, message)
    }

    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(Kind::Internal, message)
    }
}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for EngineError {}

//! What every library error of the workspace can tell a program about itself.

/// An error with a stable id and typed arguments.
///
/// The id (`AL-REG-001`) is a key into the message catalogue of `tools/cli`, where what happened, why, what to do
/// and the exit code are written down in every language. `Display` is a short technical text for logs; it never
/// repeats its source and never holds a secret.
///
/// ```
/// #[derive(Debug, thiserror::Error)]
/// #[error("port {port} is taken")]
/// struct PortTaken { port: u16 }
///
/// impl steps::Problem for PortTaken {
///     fn id(&self) -> &'static str { "AL-REG-001" }
///     fn args(&self) -> Vec<(&'static str, String)> { vec![("port", self.port.to_string())] }
/// }
/// assert_eq!(steps::Problem::args(&PortTaken { port: 5000 })[0].1, "5000");
/// ```
pub trait Problem: std::error::Error + Send + Sync + 'static {
    /// The id under which the catalogue explains this error.
    fn id(&self) -> &'static str;

    /// Named values that the catalogue's sentences may use. Never a secret.
    fn args(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// Further problems found at the same time, such as the other mistakes in one file. Programs show each of them.
    fn also(&self) -> Vec<&dyn Problem> {
        Vec::new()
    }
}

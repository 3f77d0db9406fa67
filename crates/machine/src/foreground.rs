//! Commands that take over the terminal.

use crate::{Cmd, ExecError, Local};

impl Local {
    /// Runs the command with this program's own standard input, output and error, in its process group and without a
    /// deadline, and gives back its exit code. For commands a person talks to; the [`Cmd`]'s standard input is unused.
    pub fn take_over(self, cmd: &Cmd) -> Result<i32, ExecError> {
        let ended = crate::local::bare_expression(cmd).run().map_err(|e| crate::local::not_started(cmd, e))?;
        Ok(crate::local::code_of(ended.status))
    }
}

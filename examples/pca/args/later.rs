//! Commands of the page that come later.

use clap::Args;

#[derive(Args, Debug)]
pub struct LaterArgs {
    /// Whatever the page says
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    pub words: Vec<std::ffi::OsString>,
}

impl LaterArgs {
    /// Whether JSON is asked for: global options behind such a command are among its words.
    pub fn json(&self) -> bool {
        self.words.iter().any(|word| word == "--json")
    }
}

//! The arguments of commands that build our programs, and hand what they do not know on to one of them.

/// What was asked for on the command line.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Options {
    /// The docs are written.
    pub(crate) write: bool,
    /// Our programs as they were built last.
    pub(crate) no_build: bool,
    /// For the program that does the work.
    pub(crate) handed_on: Vec<String>,
}

impl Options {
    pub(crate) fn parse(arguments: Vec<String>) -> Self {
        let mut options = Self::default();
        for argument in arguments {
            match argument.as_str() {
                "--write" => options.write = true,
                "--no-build" => options.no_build = true,
                _ => options.handed_on.push(argument),
            }
        }
        options
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_handed_on_in_its_order() {
        let line = "--write --minutes 3 --no-build --engine nats";
        let options = Options::parse(line.split(' ').map(str::to_owned).collect());
        assert!(options.write && options.no_build);
        assert_eq!(options.handed_on, ["--minutes", "3", "--engine", "nats"]);
    }
}

use super::*;

/// A program of two tests, one of which passes as often as the script says that it does.
struct Staged {
    folder: std::path::PathBuf,
    program: Program,
}

impl Staged {
    /// `decide` is a line of shell that passes or not; `$RUN` counts the runs from one.
    fn new(name: &str, decide: &str) -> Self {
        use std::os::unix::fs::PermissionsExt;
        let folder = std::env::temp_dir().join(format!("xtask-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let script = format!(
            "#!/bin/sh
cd {}
echo >> runs; RUN=$(wc -l < runs)
case \"$*\" in *--exact*) OTHERS=0;; *) OTHERS=1;; esac
if {decide}; then
    printf '\\nrunning 2 tests\\ntest a::b ... ok\\n\\ntest result: ok. %s passed; 0 failed; 0 ignored\\n' $((1 + OTHERS))
else
    printf '\\nrunning 2 tests\\ntest a::b ... FAILED\\n\\nfailures:\\n\\nfailures:\\n    a::b\\n\\n'
    printf 'test result: FAILED. %s passed; 1 failed; 0 ignored\\n' $OTHERS
    exit 101
fi
",
            folder.display()
        );
        let path = folder.join("program");
        std::fs::write(&path, script).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
        let (package, target) = ("ws-staged".to_owned(), name.to_owned());
        let program = Program { package, target, path, folder: folder.clone() };
        Self { folder, program }
    }

    /// Whether all passed in the end, who did by himself, and the sum.
    fn run(self) -> (Second, Tally, usize) {
        let (mut tally, mut second) = (Tally::default(), Second::default());
        let failed = run_all(vec![self.program], &self.folder, &[], &mut tally).unwrap();
        for finished in failed {
            try_again(&finished, &self.folder, &[], &mut second, &mut tally).unwrap();
        }
        let runs = std::fs::read_to_string(self.folder.join("runs")).unwrap().lines().count();
        std::fs::remove_dir_all(&self.folder).unwrap();
        (second, tally, runs)
    }
}

#[test]
fn what_fails_beside_others_and_passes_three_times_by_itself_is_no_failure_and_is_named() {
    let (second, tally, runs) = Staged::new("disturbed", "[ $RUN -gt 1 ]").run();
    assert_eq!(second.passed, ["ws-staged disturbed a::b"]);
    assert!(second.failed.is_empty());
    assert_eq!((tally, runs), (Tally { passed: 2, failed: 0 }, 4));
}

#[test]
fn what_fails_once_more_has_failed() {
    let (second, tally, runs) = Staged::new("faulty", "[ $RUN -eq 2 ] || [ $RUN -gt 3 ]").run();
    assert_eq!(second.failed, ["ws-staged faulty a::b"]);
    assert!(second.passed.is_empty());
    assert_eq!((tally, runs), (Tally { passed: 1, failed: 1 }, 3));
}

#[test]
fn what_passes_is_run_once() {
    let (second, tally, runs) = Staged::new("sound", "true").run();
    assert!(second.passed.is_empty() && second.failed.is_empty());
    assert_eq!((tally, runs), (Tally { passed: 2, failed: 0 }, 1));
}

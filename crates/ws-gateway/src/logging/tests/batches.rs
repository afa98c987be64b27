//! A queue, a thread and a pipe: what gets out, when, and what does not.

use std::{
    io::{self, PipeReader, PipeWriter, Read, Write},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread,
};

use parking_lot::Mutex;
use serde_json::Value;
use tracing::Level;
use tracing_subscriber::fmt::MakeWriter;

use crate::logging::{
    Log,
    batches::{Batches, HELD_BYTES_MAX, URGENT_BYTES_MAX},
    json::JsonLine,
};

/// Writes to a pipe, and counts how often.
struct Counted {
    pipe: PipeWriter,
    writes: Arc<Mutex<Vec<usize>>>,
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writes.lock().push(bytes.len());
        self.pipe.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A log into a pipe that nobody reads yet.
fn piped() -> (Batches, PipeReader, Arc<Mutex<Vec<usize>>>) {
    let (reader, pipe) = io::pipe().expect("a pipe");
    let writes = Arc::<Mutex<Vec<usize>>>::default();
    let batches = Batches::start(Counted { pipe, writes: writes.clone() }).expect("a thread");
    (batches, reader, writes)
}

fn leave(batches: &Batches, line: &str) {
    batches.make_writer().write_all(line.as_bytes()).expect("never fails");
}

/// Logs with our form into it.
fn log(batches: &Batches, say: impl FnOnce()) {
    let builder = tracing_subscriber::fmt().with_max_level(Level::TRACE).json();
    let subscriber = builder.event_format(JsonLine).with_writer(batches.clone()).finish();
    tracing::subscriber::with_default(subscriber, say);
}

fn read_line(reader: &mut PipeReader) -> String {
    let mut line = Vec::new();
    while line.last() != Some(&b'\n') {
        let mut byte = [0];
        reader.read_exact(&mut byte).expect("written");
        line.extend(byte);
    }
    String::from_utf8(line).expect("UTF-8")
}

#[test]
fn a_lone_line_comes_without_another_and_without_being_asked_for() {
    let (batches, mut reader, _) = piped();
    for round in 0..3 {
        let line = format!("{round}\n");
        leave(&batches, &line);
        assert_eq!(read_line(&mut reader), line);
    }
}

#[test]
fn a_burst_is_few_writes_and_each_line_in_its_order() {
    let (batches, mut reader, writes) = piped();
    let expect: String = (0..5000).map(|number| format!("{number}\n")).collect();
    for line in expect.split_inclusive('\n') {
        leave(&batches, line);
    }
    batches.flush();
    let mut read = vec![0; expect.len()];
    reader.read_exact(&mut read).expect("written");
    assert!(read == expect.as_bytes(), "out of order");
    let writes = writes.lock().len();
    assert!(writes < 500, "{writes} writes of 5000 lines");
}

#[test]
fn threads_that_log_together_break_no_line() {
    let (batches, mut reader, _) = piped();
    let reading = thread::spawn(move || {
        let lines = (0..4000).map(|_| read_line(&mut reader));
        lines.collect::<Vec<_>>()
    });
    thread::scope(|scope| {
        for thread in 0..4 {
            let batches = &batches;
            scope.spawn(move || {
                for number in 0..1000 {
                    leave(batches, &format!("{thread} {number}\n"));
                }
            });
        }
    });
    let lines = reading.join().expect("reads");
    for thread in 0..4 {
        let own = lines.iter().filter_map(|line| line.strip_prefix(&format!("{thread} ")));
        let numbers: Vec<u32> = own.map(|line| line.trim().parse().expect("a number")).collect();
        assert_eq!(numbers, (0..1000).collect::<Vec<_>>());
    }
}

#[test]
fn a_reader_that_hangs_stops_nobody_and_hears_how_much_it_missed() {
    const LINES: usize = 6000;
    let (batches, mut reader, writes) = piped();
    let text = "x".repeat(400);
    // A third fits; nobody reads, and yet this ends.
    log(&batches, || (0..LINES).for_each(|number| tracing::info!(number, text)));
    log(&batches, || tracing::error!("urgent"));
    let reading = thread::spawn(move || {
        let mut lines = Vec::new();
        loop {
            let line = read_line(&mut reader);
            let line: Value = serde_json::from_str(&line).expect("a whole line");
            lines.push(line);
            if lines.last().is_some_and(|line| line["message"] == "the end") {
                return lines;
            }
        }
    });
    batches.flush();
    log(&batches, || tracing::info!("the end"));
    let mut lines = reading.join().expect("reads");
    lines.pop();
    let missed = lines.iter().position(|line| !line["log_lines_dropped"].is_null());
    let missed = lines.remove(missed.expect("said"));
    assert_eq!(missed["level"], "WARN");
    let urgent = lines.pop().expect("kept");
    assert_eq!(urgent["message"], "urgent", "what is urgent has room when others have none");
    let missed = missed["log_lines_dropped"].as_u64().expect("a number") as usize;
    assert_eq!(lines.len() + missed, LINES);
    assert!(missed > LINES / 3, "{missed}");
    let numbers = lines.iter().map(|line| line["number"].as_u64().expect("a number"));
    assert!(numbers.is_sorted(), "out of order");
    let largest = writes.lock().iter().copied().max();
    assert!(largest < Some(HELD_BYTES_MAX + URGENT_BYTES_MAX), "{largest:?}");
}

#[test]
fn warnings_that_nobody_reads_are_bounded_as_well() {
    let (batches, reader, _) = piped();
    let text = "x".repeat(1000);
    let lines = 3 * HELD_BYTES_MAX / text.len();
    log(&batches, || (0..lines).for_each(|_| tracing::warn!(text)));
    let shown = batches.held();
    assert!(shown <= HELD_BYTES_MAX + URGENT_BYTES_MAX, "{shown} bytes are held");
    drop(reader);
    batches.flush();
    assert_eq!(batches.held(), 0, "a reader that left is owed nothing");
}

#[test]
fn the_end_waits_for_what_was_logged_and_for_a_hanging_reader_only_so_long() {
    let (batches, mut reader, _) = piped();
    let log = Log::of(batches.clone());
    leave(&batches, "first\n");
    leave(&batches, "last\n");
    drop(log);
    assert_eq!(batches.held(), 0);
    assert_eq!(read_line(&mut reader), "first\n");
    assert_eq!(read_line(&mut reader), "last\n");
    leave(&batches, &("x".repeat(200_000) + "\n"));
    drop(Log::of(batches.clone()));
    assert!(batches.held() > 0, "nobody has read it");
}

#[test]
fn a_panic_loses_no_line() {
    let (batches, mut reader, _) = piped();
    let unwound = catch_unwind(AssertUnwindSafe(|| {
        let _log = Log::of(batches.clone());
        leave(&batches, "before it\n");
        panic!("the story of this test");
    }));
    assert!(unwound.is_err());
    assert_eq!(batches.held(), 0);
    assert_eq!(read_line(&mut reader), "before it\n");
}

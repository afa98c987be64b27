//! What was asked of other nodes, and is not answered yet.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    time::{Instant, timeout_at},
};

use super::ends::ToldEnd;

/// Who is asked answers within this time, or not at all.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(1);
/// So many questions may be open. Each has an answer for each node at most.
const OPEN_MAX: usize = 65_536;

#[derive(Debug, Default)]
pub(super) struct Questions {
    next: AtomicU64,
    open: Mutex<HashMap<u64, UnboundedSender<Answer>>>,
}

/// What a node has answered.
#[derive(Debug)]
pub(super) struct Answer {
    /// Who has answered.
    pub(super) node: u64,
    pub(super) count: usize,
    pub(super) users: Vec<String>,
    pub(super) ends: Vec<ToldEnd>,
}

/// A question; forgotten when it is dropped.
#[derive(Debug)]
pub(super) struct Question<'q> {
    questions: &'q Questions,
    pub(super) number: u64,
    answers: UnboundedReceiver<Answer>,
}

impl Questions {
    /// `None`: there are too many already.
    pub(super) fn open(&self) -> Option<Question<'_>> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, answers) = unbounded_channel();
        let mut open = self.open.lock();
        if open.len() >= OPEN_MAX {
            return None;
        }
        open.insert(number, sender);
        drop(open);
        Some(Question { questions: self, number, answers })
    }

    /// Nobody may be waiting for it any more.
    pub(super) fn handle_answer(&self, number: u64, answer: Answer) {
        if let Some(asker) = self.open.lock().get(&number) {
            let _ = asker.send(answer);
        }
    }
}

impl Question<'_> {
    /// What so many nodes answer; fewer answers than that: somebody did not in time.
    pub(super) async fn answers(mut self, nodes: usize) -> Vec<Answer> {
        let deadline = Instant::now() + ANSWER_TIMEOUT;
        let mut answers = Vec::with_capacity(nodes);
        while answers.len() < nodes {
            match timeout_at(deadline, self.answers.recv()).await {
                Ok(Some(answer)) => answers.push(answer),
                Ok(None) | Err(_) => break,
            }
        }
        answers
    }
}

impl Drop for Question<'_> {
    fn drop(&mut self) {
        self.questions.open.lock().remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_question_waits_for_all_who_are_asked_and_for_a_second_at_most() {
        let questions = Questions::default();
        let question = questions.open().unwrap();
        let number = question.number;
        let of = |count| Answer { node: 1, count, users: Vec::new(), ends: Vec::new() };
        questions.handle_answer(number, of(2));
        questions.handle_answer(number + 1, of(7));
        let started = Instant::now();
        let answers = question.answers(2).await;
        assert_eq!(answers.iter().map(|answer| answer.count).collect::<Vec<_>>(), [2]);
        assert_eq!(started.elapsed(), ANSWER_TIMEOUT);
        assert!(questions.open.lock().is_empty(), "nothing is kept of it");
        questions.handle_answer(number, of(1));
    }
}

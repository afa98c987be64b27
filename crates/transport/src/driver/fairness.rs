//! How long one connection may keep its thread: a turn ends after so much *work*, whatever it was that was asked for,
//! and the next begins when all others have been looked after.

use std::{future::Future, pin::pin, task::Context};

/// What a turn may do, in bytes of messages as they are once they are inflated. One message of the popular 64 KiB is
/// within it. Messages for many become several times as many bytes in each of their outboxes, and those are to be
/// emptied before the next come, or the burst of one closes others who read as fast as they can.
const TURN_WORK_MAX: usize = 64 * 1024 + MESSAGE_WORK + FRAME_WORK;
/// What a message is beside its bytes: to parse, judge and answer the shortest takes as long as to pass on so many
/// bytes. So a turn has some 130 of them at most.
const MESSAGE_WORK: usize = 512;
/// What any frame is: those of which nobody is told, parts of messages and pings, are work as well.
const FRAME_WORK: usize = 64;
/// Turns that one rests at most, however large its message was.
const RESTS_MAX: usize = 64;

/// What was done in one turn. Parts of a message that is not complete are nothing to anybody yet.
#[derive(Debug, Default)]
pub(super) struct Work(usize);

impl Work {
    pub(super) const fn add_message(&mut self, bytes: usize) {
        self.0 += MESSAGE_WORK + bytes;
    }

    pub(super) const fn add_frames(&mut self, many: u64) {
        // As many as fit into one read.
        self.0 += FRAME_WORK * many as usize;
    }

    pub(super) const fn is_enough(&self) -> bool {
        self.0 >= TURN_WORK_MAX
    }
}

/// Who of a thread rests how long.
///
/// A message cannot be handled in parts, and one that inflates to a megabyte is the work of sixteen turns. Whoever
/// sends such messages pays for them with turns in which it does not read, so that ten of them are not handled one
/// right behind the other while everybody else waits for all ten. For this they must not all rest equally long: each
/// gets another place.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    places: usize,
}

impl Queue {
    /// How many turns of the others a connection lets pass after so much work.
    pub(super) const fn rests_behind(&mut self, work: &Work) -> u8 {
        let overdrawn = work.0 / TURN_WORK_MAX;
        if overdrawn < 2 {
            return 0;
        }
        let overdrawn = if overdrawn < RESTS_MAX { overdrawn } else { RESTS_MAX };
        self.places = self.places.wrapping_add(1);
        (overdrawn + self.places % overdrawn) as u8
    }
}

/// Ends a turn that has more to do. To wake oneself is not enough: the task would stand in the queue of the runtime,
/// which looks for what has arrived elsewhere only once the queue is empty, or after sixty-one turns. Whoever yields is
/// woken behind that look.
pub(super) fn give_way(cx: &mut Context<'_>) {
    // Polled once, it has done all that it is for.
    let _ = pin!(tokio::task::yield_now()).poll(cx);
}

//! The context of what is being done right now, on this thread.

use std::{
    cell::Cell,
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll},
};

use crate::TraceContext;

thread_local! {
    static CURRENT: Cell<Option<TraceContext>> = const { Cell::new(None) };
}

/// What is being done on this thread belongs to this, if to anything.
#[must_use]
pub fn current() -> Option<TraceContext> {
    CURRENT.get()
}

/// What is done until the answer is dropped belongs to this context, or to none.
pub fn enter(context: Option<TraceContext>) -> Entered {
    Entered { before: CURRENT.replace(context), _here: PhantomData }
}

/// Something is being done; when it is dropped, what was being done before goes on.
#[derive(Debug)]
#[must_use = "it is over when this is dropped"]
pub struct Entered {
    before: Option<TraceContext>,
    /// Of this thread alone.
    _here: PhantomData<*const ()>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.set(self.before);
    }
}

/// A future that belongs to a context, whoever polls it.
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct Within<F> {
    context: Option<TraceContext>,
    future: F,
}

impl<F: Future + Unpin> Within<F> {
    /// All that `future` does belongs to `context`.
    pub fn new(context: Option<TraceContext>, future: F) -> Self {
        Self { context, future }
    }
}

impl<F: Future + Unpin> Future for Within<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<F::Output> {
        let _entered = enter(self.context);
        Pin::new(&mut self.future).poll(task)
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    #[test]
    fn what_was_being_done_before_goes_on_afterwards() {
        let (outer, inner) = (TraceContext::new(1, 1, true), TraceContext::new(2, 2, true));
        assert_eq!(current(), None);
        let first = enter(Some(outer));
        {
            let _second = enter(Some(inner));
            assert_eq!(current(), Some(inner));
            let _none = enter(None);
            assert_eq!(current(), None);
        }
        assert_eq!(current(), Some(outer));
        drop(first);
        assert_eq!(current(), None);
    }

    #[test]
    fn a_future_finds_its_context_at_each_poll_and_leaves_none_behind() {
        let context = TraceContext::new(1, 1, true);
        let mut polls = 0;
        let future = std::future::poll_fn(|_| {
            assert_eq!(current(), Some(context));
            polls += 1;
            if polls == 2 { Poll::Ready(()) } else { Poll::Pending }
        });
        let mut within = Within::new(Some(context), future);
        let mut task = Context::from_waker(Waker::noop());
        assert!(Pin::new(&mut within).poll(&mut task).is_pending());
        assert_eq!(current(), None);
        assert!(Pin::new(&mut within).poll(&mut task).is_ready());
        assert_eq!(current(), None);
    }
}

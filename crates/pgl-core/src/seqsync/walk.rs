//! Where a sequence goes next. The only arithmetic on sequence values there is.

use std::cmp::Ordering;

use super::{SequenceReading, SequenceState};

/// The value that `nextval` would hand out in this state; none where the sequence is exhausted.
pub fn next(sequence: &SequenceReading, state: SequenceState) -> Option<i128> {
    let last = i128::from(state.last_value);
    if !state.is_called {
        return Some(last);
    }
    let step = last + i128::from(sequence.increment);
    if inside(sequence, step) {
        return Some(step);
    }
    sequence.cycle.then(|| wrap(sequence))
}

/// The state `count` values further on in the sequence's own direction, through the end where it
/// cycles. `Err` holds how many values are left where it does not.
pub fn beyond(
    sequence: &SequenceReading,
    state: SequenceState,
    count: u64,
) -> Result<SequenceState, i128> {
    if count == 0 {
        return Ok(state);
    }
    let step = i128::from(sequence.increment);
    let last = i128::from(state.last_value);
    let end = if sequence.ascends() {
        sequence.max
    } else {
        sequence.min
    };
    let left = ((i128::from(end) - last) / step).max(0);
    let count = i128::from(count);
    let value = if count <= left {
        last + count * step
    } else if sequence.cycle {
        let length = (i128::from(sequence.max) - i128::from(sequence.min)) / step.abs() + 1;
        wrap(sequence) + (count - left - 1) % length * step
    } else {
        return Err(left);
    };
    let last_value = i64::try_from(value).map_err(|_| left)?;
    Ok(SequenceState {
        last_value,
        is_called: state.is_called,
    })
}

/// Which of two states of one sequence is further on, as it runs. `Greater`: `one` is beyond `two`.
/// Exhausted is further than anything. For a cyclic sequence this orders positions within one round
/// only.
pub(super) fn compare(
    sequence: &SequenceReading,
    one: SequenceState,
    two: SequenceState,
) -> Ordering {
    let position = |state: SequenceState| {
        let step = if state.is_called {
            i128::from(sequence.increment)
        } else {
            0
        };
        i128::from(state.last_value) + step
    };
    let order = position(one).cmp(&position(two));
    if sequence.ascends() {
        order
    } else {
        order.reverse()
    }
}

/// Whether a sequence in this state may have handed out `value`: everything that lies before the end
/// of what it has handed out, whatever its increment.
pub(super) fn used(sequence: &SequenceReading, state: SequenceState, value: i128) -> bool {
    let last = i128::from(state.last_value);
    let beyond = if sequence.ascends() {
        value > last
    } else {
        value < last
    };
    !(beyond || (value == last && !state.is_called))
}

/// Whether a cyclic sequence that hands out `here` next has run less than half a round past one that
/// hands out `there`: what a margin, or a few values taken in between, look like.
pub(super) fn shortly_after(sequence: &SequenceReading, here: i128, there: i128) -> bool {
    let step = i128::from(sequence.increment);
    let length = (i128::from(sequence.max) - i128::from(sequence.min)) / step.abs() + 1;
    let distance = ((here - there) / step).rem_euclid(length);
    distance * 2 <= length
}

pub(super) fn inside(sequence: &SequenceReading, value: i128) -> bool {
    (i128::from(sequence.min)..=i128::from(sequence.max)).contains(&value)
}

/// Where a cyclic sequence starts over: at its minimum, a descending one at its maximum.
fn wrap(sequence: &SequenceReading) -> i128 {
    i128::from(if sequence.ascends() {
        sequence.min
    } else {
        sequence.max
    })
}

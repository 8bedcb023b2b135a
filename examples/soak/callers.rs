//! Who calls: to the end, or until patience is over, a task is aborted or another call was faster.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::functions::SUBJECTS;
use crate::watched::{Ended, Watched};

static IS_OVER: AtomicBool = AtomicBool::new(false);

/// No call begins from now on.
pub(crate) fn stop() {
    IS_OVER.store(true, Ordering::Relaxed);
}

/// Calls one function after the other until told to stop.
pub(crate) async fn call_until_told(number: u64) {
    let mut refusals = 0_u64;
    for turn in 0.. {
        if IS_OVER.load(Ordering::Relaxed) {
            return;
        }
        let dice = scramble(scramble(number).wrapping_add(turn));
        let patience = Duration::from_millis((dice >> 8) % 9);
        match dice % 16 {
            0 | 1 => _ = tokio::time::timeout(patience, any_call(dice)).await,
            2 => abort(any_call(dice), patience).await,
            3 => race(any_call(dice), any_call(!dice)).await,
            _ => {
                if any_call(dice).await == Ended::Refused {
                    refusals += 1;
                }
            }
        }
        // A refusal is ready at once: who is often refused lets the others through.
        if refusals % 8 == 7 {
            refusals += 1;
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        tokio::task::yield_now().await;
    }
}

fn any_call(dice: u64) -> Watched {
    let place = (dice >> 32) as usize % SUBJECTS.len();
    SUBJECTS[place].watch(scramble(dice))
}

/// Aborts the task of the call, which may be over or may not have begun.
async fn abort(call: Watched, patience: Duration) {
    let task = tokio::spawn(call);
    tokio::time::sleep(patience).await;
    task.abort();
    // Whatever came of it, it is over.
    let _ = task.await;
}

/// The slower of two is dropped.
async fn race(one: Watched, other: Watched) {
    tokio::select! {
        _ = one => {}
        _ = other => {}
    }
}

/// A number that looks like chance, the same in each run (`SplitMix64`).
fn scramble(number: u64) -> u64 {
    let number = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    number ^ (number >> 31)
}

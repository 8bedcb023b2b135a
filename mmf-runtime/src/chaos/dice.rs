//! Decisions that can be made again: a number for each seed, point, call and draw, whatever thread asks.

use std::time::Duration;

use crate::hash::fnv1a;

/// The draws of one call. Counter-based: each is the mixed sum of what it belongs to, so that there is no
/// state to share. `SplitMix64` (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014)
/// with the stream of the point.
#[derive(Clone, Copy, Debug)]
pub struct Dice {
    state: u64,
}

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

impl Dice {
    pub fn new(seed: u64, point: u64, call: u64) -> Self {
        let stream = mix(seed ^ mix(point.wrapping_add(GOLDEN)));
        Self { state: mix(stream.wrapping_add(call.wrapping_mul(GOLDEN))) }
    }

    pub fn draw(&mut self) -> u64 {
        self.state = self.state.wrapping_add(GOLDEN);
        mix(self.state)
    }

    /// Uniform in 0..1.
    pub fn unit(&mut self) -> f64 {
        (self.draw() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

fn mix(mut value: u64) -> u64 {
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// A share, 0 to 1, of a duration: of the longest as well, which floating point rounds up to more than there
/// is.
pub fn share_of(duration: Duration, share: f64) -> Duration {
    let part = Duration::try_from_secs_f64(duration.as_secs_f64() * share);
    part.unwrap_or(duration).min(duration)
}

/// The stream of a name.
pub fn stream(name: &str) -> u64 {
    fnv1a(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draw_belongs_to_its_seed_point_and_call() {
        let draw = |seed, point, call| Dice::new(seed, point, call).draw();
        assert_eq!(draw(1, 2, 3), draw(1, 2, 3));
        assert_ne!(draw(1, 2, 3), draw(2, 2, 3));
        assert_ne!(draw(1, 2, 3), draw(1, 3, 3));
        assert_ne!(draw(1, 2, 3), draw(1, 2, 4));
    }

    #[test]
    fn a_share_of_the_longest_duration_is_no_longer() {
        assert_eq!(share_of(Duration::MAX, 1.0), Duration::MAX);
        assert_eq!(share_of(Duration::MAX, 0.0), Duration::ZERO);
        assert_eq!(share_of(Duration::from_secs(4), 0.25), Duration::from_secs(1));
    }

    #[test]
    fn draws_of_neighbouring_calls_are_not_related() {
        let calls = 100_000;
        let hits = |from: f64| {
            (0..calls).filter(|call| Dice::new(42, 7, *call).unit() < from).count() as f64
        };
        for share in [0.01, 0.3, 0.5, 0.9] {
            let deviation = (calls as f64 * share * (1.0 - share)).sqrt();
            assert!((hits(share) - calls as f64 * share).abs() < 4.0 * deviation, "{share}");
        }
        let pairs = (0..calls)
            .filter(|call| {
                Dice::new(42, 7, *call).unit() < 0.5 && Dice::new(42, 7, call + 1).unit() < 0.5
            })
            .count() as f64;
        assert!((pairs - calls as f64 / 4.0).abs() < 4.0 * (calls as f64 * 0.25 * 0.75).sqrt());
    }
}

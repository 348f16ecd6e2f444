//! The calibration that is used where none was measured. Written by `benches/calibration`.

use super::{Kind, Pareto, PerKind, Tail};

const fn tail(kind: Kind) -> Tail {
    Tail {
        kind,
        uploads: 300,
        exceedances: 30,
        size: 200,
        threshold: 0.3,
        fit: Pareto {
            rate: 0.1,
            scale: 0.2,
            shape: 0.0,
        },
        bound: Pareto {
            rate: 0.15,
            scale: 0.25,
            shape: 0.1,
        },
    }
}

pub(super) const TAILS: PerKind<Tail> = [
    tail(Kind::Text),
    tail(Kind::Region),
    tail(Kind::Image),
    tail(Kind::Code),
    tail(Kind::Record),
];

//! The calibration that is used where none was measured. Written by `benches/calibration.rs`; not to be
//! edited.

use super::{Kind, Pareto, PerKind, Tail};

pub(super) const TAILS: PerKind<Tail> = [
    Tail {
        kind: Kind::Text,
        uploads: 2152,
        exceedances: 156,
        size: 285,
        threshold: 0.301,
        fit: Pareto {
            rate: 0.07249,
            scale: 0.1324,
            shape: 0.05782,
        },
        bound: Pareto {
            rate: 0.08343,
            scale: 0.1107,
            shape: 0.1814,
        },
    },
    Tail {
        kind: Kind::Region,
        uploads: 879,
        exceedances: 57,
        size: 280,
        threshold: 0.1038,
        fit: Pareto {
            rate: 0.06485,
            scale: 0.2757,
            shape: 0.0,
        },
        bound: Pareto {
            rate: 0.08239,
            scale: 0.287,
            shape: 0.1,
        },
    },
    Tail {
        kind: Kind::Image,
        uploads: 879,
        exceedances: 59,
        size: 280,
        threshold: 0.233,
        fit: Pareto {
            rate: 0.06712,
            scale: 0.03171,
            shape: 0.4431,
        },
        bound: Pareto {
            rate: 0.08491,
            scale: 0.0528,
            shape: 0.4706,
        },
    },
    Tail {
        kind: Kind::Code,
        uploads: 879,
        exceedances: 74,
        size: 280,
        threshold: 1.188,
        fit: Pareto {
            rate: 0.08419,
            scale: 0.5166,
            shape: 0.2392,
        },
        bound: Pareto {
            rate: 0.1037,
            scale: 0.3171,
            shape: 0.3954,
        },
    },
    Tail {
        kind: Kind::Record,
        uploads: 1025,
        exceedances: 0,
        size: 45,
        threshold: 0.1,
        fit: Pareto {
            rate: 0.0,
            scale: 0.3,
            shape: 0.1,
        },
        bound: Pareto {
            rate: 0.002927,
            scale: 0.3,
            shape: 0.1,
        },
    },
];

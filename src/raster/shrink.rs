//! x
pub(crate) fn area_shrink() {}

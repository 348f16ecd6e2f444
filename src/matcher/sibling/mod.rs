//! Copy or sibling: whether passages that a query shares with an item are the item's content, or the
//! text of a template that both were made from.
//!
//! A copy has the same numbers, dates and names between the same words. Two instances of a template
//! share the words and differ in the values. So the passages of a query and a part of an item that are
//! in the same order on both sides are joined to an *alignment*, and the values in and between them are
//! compared.
//!
//! - Values of the item within the alignment either agree with the query or are *contradicted*: the
//!   query has something else in their place, or nothing, as in a blank form. The number of values
//!   that agree has a beta-binomial distribution under both hypotheses: under that of a copy with a mean
//!   that falls with the rate of errors in the copied text, since a recogniser of text damages values and
//!   words alike. The logarithm of the ratio is `Comparison::value_odds`.
//! - A passage that both texts end (or begin) with, under (or above) foreign text on both sides, is a
//!   footer (or a letterhead): an excerpt seldom ends both.
//! - Much replaced text between clean passages, unless the gaps are spread evenly, as a copyist's errors
//!   are, speaks for a sibling too.

mod align;
mod compare;
mod odds;
mod peers;

pub(super) use align::alignments;
pub(super) use compare::{Texts, compare};
pub(super) use odds::Comparison;
pub(super) use peers::judge;

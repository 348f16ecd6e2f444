//! Explanations of why a query does or does not match an item: every stage with its measure and
//! threshold.

use serde::{Deserialize, Serialize};

use super::evidence::{Doubt, Strength};
use super::local::Objection;
use super::search::is_distinctive;
use super::{Matcher, local, picture, reach, record, text, weigh};
use crate::deadline::Deadline;
use crate::error::{Error, ErrorKind, Result};
use crate::fingerprint::{Fingerprint, PartPrints, Sketch};
use crate::index::{DigestKind, PartId, SearchStats};
use crate::media::PartPath;

/// Details that must agree on one pose for a region to be compared.
const MIN_POSED_DETAILS: f64 = 4.0;

/// The result of region matching for one picture of the query and one of the index.
struct Region {
    picture: u32,
    compared: u32,
    agreed: u32,
    share: f64,
    needed: f64,
    score: f64,
    doubt: Option<Doubt>,
    /// What speaks against a copy: the stage, the measure, its limit, and what it is.
    objections: Vec<Objection>,
}

/// The measure of one stage.
struct Measure<'a> {
    stage: &'a str,
    measure: f64,
    threshold: f64,
    passed: bool,
    note: &'a str,
}

/// The measures of every stage of matching for one query and one item, returned by
/// [`Matcher::explain`], which has an example.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Explanation {
    /// The score of the best stage, 0..=1.
    pub score: f64,
    /// One entry for each stage and pair of parts, in the order of the query's parts.
    pub stages: Vec<Stage>,
}

/// One measure of one pair of parts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Stage {
    /// The stage: `bytes`, `pixels`, `quality`, `pdq`, `gradient`, `sketch`, `image`,
    /// `region_pose`, `region_details`, `region_own`, `region_middle`, `region_contradicted`, `region`, `grams`, `discounted`, `text` or `record`.
    pub stage: String,
    /// The query's part.
    pub part: PartPath,
    /// The item's part.
    pub item_part: PartPath,
    /// The measure, in the unit that `note` names.
    pub measure: f64,
    /// The threshold that the measure must reach or must not exceed; see `note`.
    pub threshold: f64,
    /// Whether the measure passes the threshold.
    pub passed: bool,
    /// The unit and the rule, for people.
    pub note: String,
}

impl Matcher {
    /// Compares a query with one item and returns the measures of every stage, whatever the
    /// thresholds.
    ///
    /// Searches the whole index for each picture of the query, and compares each part of the query
    /// with each part of the item: for reviews, not for every upload.
    ///
    /// # Errors
    /// [`InvalidInput`](ErrorKind::InvalidInput) if there is no such item, and as [`find`](Self::find).
    ///
    /// ```
    /// # let index = leakprint::example::memo_index()?;
    /// use leakprint::Matcher;
    ///
    /// let matcher = Matcher::new(index)?;
    /// let query = matcher.query_fingerprinter().fingerprint_text("Lighthouse opens in fourteen territories.")?;
    /// assert!(matcher.find(&query)?.is_empty());
    /// let explanation = matcher.explain("memo.txt", &query)?;
    /// let text = explanation.stages.iter().find(|stage| stage.stage == "text").unwrap();
    /// // The letters and digits of the passage, where 80 would have been enough.
    /// assert!((20.0..40.0).contains(&text.measure) && !text.passed);
    /// # Ok::<(), leakprint::Error>(())
    /// ```
    pub fn explain(&self, item: &str, query: &Fingerprint) -> Result<Explanation> {
        self.explain_until(item, query, &Deadline::never())
    }

    /// As [`explain`](Self::explain), but fails at a deadline as well as after
    /// [`Limits::time_ms`](crate::Limits::time_ms).
    ///
    /// # Errors
    /// As [`explain`](Self::explain), [`Limit`](ErrorKind::Limit) for `time_ms`, and
    /// [`Cancelled`](ErrorKind::Cancelled).
    pub fn explain_until(
        &self,
        item: &str,
        query: &Fingerprint,
        deadline: &Deadline,
    ) -> Result<Explanation> {
        let deadline = &self.query_fingerprinter().deadline(deadline);
        let indexes = self.index_set();
        self.check(query, deadline)?;
        let Some(id) = indexes.item_by_name(item)? else {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                format!("there is no item {item:?}: give a name as it was added"),
            ));
        };
        let mut explanation = Explanation {
            score: 0.0,
            stages: Vec::new(),
        };

        let regions = query.parts.iter().map(|part| match &part.raster {
            // Like details of other items reduce the weight, so the item is not compared alone.
            Some(prints) => {
                let stats = &mut SearchStats::default();
                let source = local::Source {
                    key: self.query_fingerprinter().local_key(),
                    part: &part.path,
                    prints,
                    deadline,
                };
                let verdicts = local::verdicts(indexes, &source, stats)?;
                let region = verdicts.iter().map(|(picture, verdict)| Region {
                    picture: *picture,
                    compared: verdict.compared,
                    agreed: verdict.agreed,
                    share: verdict.share(),
                    needed: verdict.needed(),
                    score: verdict.score(),
                    doubt: verdict.doubt(),
                    objections: verdict.objections(),
                });
                Ok(region.collect())
            }
            None => Ok(Vec::new()),
        });
        let regions: Vec<Vec<Region>> = regions.collect::<Result<_>>()?;
        let (view, id) = indexes.locate_item(id);
        for item_part in view.index.item_parts(id)? {
            let item_part = view.part_in_set(item_part);
            for (part, regions) in query.parts.iter().zip(&regions) {
                deadline.check()?;
                self.explain_digests(part, item_part, &mut explanation)?;
                self.explain_picture(part, item_part, regions, &mut explanation)?;
                self.explain_regions(part, item_part, regions, &mut explanation)?;
                self.explain_text(part, item_part, deadline, &mut explanation)?;
                self.explain_record(part, item_part, deadline, &mut explanation)?;
            }
        }
        Ok(explanation)
    }

    fn explain_digests(
        &self,
        part: &PartPrints,
        item_part: PartId,
        explanation: &mut Explanation,
    ) -> Result<()> {
        for (stage, kind, digest) in [
            ("bytes", DigestKind::Bytes, part.bytes),
            ("pixels", DigestKind::Pixels, part.pixels()),
        ] {
            let Some(digest) = digest else { continue };
            let (view, own) = self.index_set().locate_part(item_part);
            let common = self.index_set().discounts_digest(&digest);
            for hit in view.index.digests().find(&digest) {
                let mut hit = hit?;
                hit.discounted |= common;
                if hit.part != own || hit.kind != kind {
                    continue;
                }
                let distinctive = is_distinctive(part, self.options().text_floor);
                let note = match (distinctive, hit.discounted) {
                    (true, false) => "equal digests",
                    (_, true) => "equal digests, but ignore or background files have them too",
                    (false, false) => "equal digests, but of too little content to be evidence",
                };
                let passed = distinctive && !hit.discounted;
                if passed {
                    explanation.score = 1.0;
                }
                let measure = Measure {
                    stage,
                    measure: 1.0,
                    threshold: 1.0,
                    passed,
                    note,
                };
                self.push(explanation, part, item_part, measure)?;
            }
        }
        Ok(())
    }

    fn explain_picture(
        &self,
        part: &PartPrints,
        item_part: PartId,
        regions: &[Region],
        explanation: &mut Explanation,
    ) -> Result<()> {
        let (view, own) = self.index_set().locate_part(item_part);
        let pictures = view.index.pictures();
        let (Some(prints), Some(number)) = (&part.raster, pictures.of_part(own)) else {
            return Ok(());
        };
        let item = self.index_set().picture(view, number)?;
        let quality = prints.pdq.quality.min(item.quality);
        let enough = quality >= picture::MIN_QUALITY;
        let measure = Measure {
            stage: "quality",
            measure: f64::from(quality),
            threshold: f64::from(picture::MIN_QUALITY),
            passed: enough,
            note: "PDQ quality of the poorer picture, at least",
        };
        self.push(explanation, part, item_part, measure)?;
        let Some(best) = picture::Distances::best(prints, &item) else {
            return Ok(());
        };
        let limits = [
            ("pdq", best.pdq, f64::from(reach::CANDIDATE_RADIUS), 256),
            (
                "gradient",
                best.gradient,
                f64::from(picture::GRADIENT_RADIUS),
                256,
            ),
            (
                "sketch",
                best.sketch,
                picture::sketch_radius(item.texture),
                Sketch::BITS,
            ),
        ];
        for (stage, distance, limit, bits) in limits {
            let measure = f64::from(distance);
            let measure = Measure {
                stage,
                measure,
                threshold: limit,
                passed: measure <= limit,
                note: &format!("bits of {bits} under the best symmetry, at most"),
            };
            self.push(explanation, part, item_part, measure)?;
        }
        let score = if enough && best.pdq <= reach::CANDIDATE_RADIUS && !item.discounted {
            best.score(item.texture)
        } else {
            0.0
        };
        let number_in_set = view.first_picture + number;
        let is_sibling = regions
            .iter()
            .any(|r| r.picture == number_in_set && r.doubt == Some(Doubt::Sibling));
        let score = if is_sibling {
            weigh::doubted(score)
        } else {
            score
        };
        let least = self.options().min_strength.min_score();
        let note = if item.discounted {
            "score of the hash that agrees least, 0 because the item is discounted; at least"
        } else if is_sibling {
            "score of the hash that agrees least, lowered because another item contradicts the details; \
             at least"
        } else {
            "score of the hash that agrees least; at least"
        };
        let measure = Measure {
            stage: "image",
            measure: score,
            threshold: least,
            passed: score >= least,
            note,
        };
        self.push(explanation, part, item_part, measure)?;
        explanation.score = explanation.score.max(score);
        Ok(())
    }

    fn explain_regions(
        &self,
        part: &PartPrints,
        item_part: PartId,
        regions: &[Region],
        explanation: &mut Explanation,
    ) -> Result<()> {
        let (view, own) = self.index_set().locate_part(item_part);
        let pictures = view.index.pictures();
        let (Some(prints), Some(number)) = (&part.raster, pictures.of_part(own)) else {
            return Ok(());
        };
        let (_, stored) = view.index.locals().of_picture(number)?;
        if stored.is_empty() || prints.local.prints.is_empty() {
            return Ok(());
        }
        let number_in_set = view.first_picture + number;
        let own = regions
            .iter()
            .filter(|region| region.picture == number_in_set);
        let Some(best) = own.max_by(|a, b| a.score.total_cmp(&b.score)) else {
            let note = if prints.local.pixels.get().is_some() {
                "details of this item that agree on one pose, at least: fewer do, or more details \
                 of other items do"
            } else {
                "details of this item that agree on one pose, at least: not computed, since a \
                 stored fingerprint has no pixels"
            };
            let measure = Measure {
                stage: "region_pose",
                measure: 0.0,
                threshold: MIN_POSED_DETAILS,
                passed: false,
                note,
            };
            return self.push(explanation, part, item_part, measure);
        };
        let compared = f64::from(best.compared);
        let measure = Measure {
            stage: "region_details",
            measure: compared,
            threshold: 1.0,
            passed: compared >= 1.0,
            note: &format!(
                "details of this item that the query could show, at least; it shows {} of them",
                best.agreed
            ),
        };
        self.push(explanation, part, item_part, measure)?;
        for objection in &best.objections {
            let measure = Measure {
                stage: objection.stage,
                measure: objection.measure,
                threshold: objection.limit,
                passed: objection.passed,
                note: objection.note,
            };
            self.push(explanation, part, item_part, measure)?;
        }
        let discounted = self.index_set().picture(view, number)?.discounted;
        let note = match (discounted, best.doubt) {
            (true, _) => {
                "share of details that agree, weighted by rarity, but the item is discounted; at least"
            }
            (_, Some(_)) => {
                "share of details that agree, weighted by rarity, but a stage above speaks against a \
                 copy; at least"
            }
            _ => {
                "share of details that agree, weighted by rarity, reduced where there are few; at least"
            }
        };
        let passed = best.share >= best.needed && !discounted && best.doubt.is_none();
        let measure = Measure {
            stage: "region",
            measure: best.share,
            threshold: best.needed,
            passed,
            note,
        };
        self.push(explanation, part, item_part, measure)?;
        if !discounted {
            explanation.score = explanation.score.max(best.score);
        }
        Ok(())
    }

    fn explain_text(
        &self,
        part: &PartPrints,
        item_part: PartId,
        deadline: &Deadline,
        explanation: &mut Explanation,
    ) -> Result<()> {
        let Some(prints) = &part.text else {
            return Ok(());
        };
        let source = text::Source {
            fingerprinter: self.query_fingerprinter(),
            part: &part.path,
            prints,
            values: &part.cells,
            in_picture: part.raster.is_some(),
            floor: self.options().floor(),
            least_score: Strength::Possible.min_score(),
            deadline,
        };
        let shared = text::shared(self.index_set(), &source, item_part)?;
        let floor = shared.floor;
        if shared.grams == 0 {
            return Ok(());
        }
        let needed = weigh::text_distinctive(Strength::Possible.min_score(), floor);
        let measure = Measure {
            stage: "grams",
            measure: shared.grams as f64,
            threshold: 1.0,
            passed: true,
            note: "places of shared grams, at least",
        };
        self.push(explanation, part, item_part, measure)?;
        if shared.discounted > 0 {
            let measure = Measure {
                stage: "discounted",
                measure: f64::from(shared.discounted),
                threshold: 0.0,
                passed: true,
                note: "letters and digits of the query that ignore or background files or too \
                       many items have, left out",
            };
            self.push(explanation, part, item_part, measure)?;
        }
        let score = if shared.distinctive >= needed {
            weigh::text_score(shared.distinctive, floor)
        } else {
            0.0
        };
        let least = weigh::text_distinctive(self.options().min_strength.min_score(), floor);
        let measure = Measure {
            stage: "text",
            measure: shared.distinctive,
            threshold: least,
            passed: shared.distinctive >= least,
            note: "letters and digits in the best chain, weighted by rarity and by how many items \
                   contain the passage, at least",
        };
        self.push(explanation, part, item_part, measure)?;
        let Some(comparison) = &shared.comparison else {
            explanation.score = explanation.score.max(score);
            return Ok(());
        };
        let (agreed, contradicted) = (comparison.agreed(), comparison.contradicted());
        let values = f64::from((agreed + contradicted).max(1));
        let measure = Measure {
            stage: "text_values",
            measure: f64::from(agreed) / values,
            threshold: 0.5,
            passed: agreed >= contradicted,
            note: "share of the item's numbers, dates and names between these words that the query                    has in the same place, usually at least",
        };
        if agreed + contradicted > 0 {
            self.push(explanation, part, item_part, measure)?;
        }
        let measure = Measure {
            stage: "text_copy",
            measure: comparison.odds(),
            threshold: weigh::SIBLING_ODDS,
            passed: comparison.odds() >= weigh::SIBLING_ODDS,
            note: "logarithm of the odds of a copy, against that both were made from one template, \
                   at least",
        };
        self.push(explanation, part, item_part, measure)?;
        let score = weigh::sibling_score(score, comparison.odds(), comparison.is_whole());
        explanation.score = explanation.score.max(score);
        Ok(())
    }

    fn explain_record(
        &self,
        part: &PartPrints,
        item_part: PartId,
        deadline: &Deadline,
        explanation: &mut Explanation,
    ) -> Result<()> {
        let (view, number) = self.index_set().locate_part(item_part);
        if view.index.cells().rows(number) == 0 || part.cells.is_empty() {
            return Ok(());
        }
        let found = record::search(self.index_set(), &part.cells, deadline)?;
        let own = found.iter().find(|records| records.part == item_part);
        let (surprise, score) = own.map_or((0.0, 0.0), |own| (own.surprise, own.score()));
        let least = weigh::text_distinctive(
            self.options().min_strength.min_score(),
            record::STRONG_SURPRISE,
        );
        let measure = Measure {
            stage: "record",
            measure: surprise,
            threshold: least,
            passed: surprise >= least,
            note: "bits by which values of the same rows surprise, two of a row or more, beyond \
                   what chance brings in an index of this size, at least",
        };
        self.push(explanation, part, item_part, measure)?;
        explanation.score = explanation.score.max(score);
        Ok(())
    }

    /// Appends a stage for a pair of parts.
    fn push(
        &self,
        explanation: &mut Explanation,
        part: &PartPrints,
        item_part: PartId,
        measure: Measure<'_>,
    ) -> Result<()> {
        explanation.stages.push(Stage {
            stage: measure.stage.to_owned(),
            part: part.path.clone(),
            item_part: PartPath::from(self.index_set().part(item_part)?.path),
            measure: measure.measure,
            threshold: measure.threshold,
            passed: measure.passed,
            note: measure.note.to_owned(),
        });
        Ok(())
    }
}

//! [`Op`]: the reductions that have a name on the command line, and the sample types of their results.

use outcrop_core::{DataType, Error, Result};

use super::quantile::{Method, Percentile};

/// What becomes of the samples that are reduced to one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Their mean.
    Mean,
    /// Their sum.
    Sum,
    /// The least.
    Min,
    /// The greatest.
    Max,
    /// The greatest less the least.
    Range,
    /// The variance with divisor n - ddof.
    Var {
        /// 0: of a population.
        ddof: u64,
    },
    /// The square root of the variance.
    Std {
        /// 0: of a population.
        ddof: u64,
    },
    /// Where the first of the least lies.
    ArgMin,
    /// Where the first of the greatest lies.
    ArgMax,
    /// 1 where a sample is not zero (NaN is not), else 0.
    Any,
    /// 1 where no sample is zero, else 0.
    All,
    /// How many samples are valid and not NaN.
    CountValid,
    /// The sum of the magnitudes.
    NormL1,
    /// The root of the sum of the squares.
    NormL2,
    /// The product; of integers modulo 2^64, as NumPy has it.
    Product,
    /// A percentile.
    Percentile(Percentile, Method),
}

impl Op {
    /// The operation of that name: `mean`, `median`, `percentile:99.9`, ... Population variance.
    ///
    /// # Errors
    /// [`Error::Usage`] for any other name.
    pub fn parse(name: &str) -> Result<Op> {
        let op = match name {
            "mean" => Op::Mean,
            "sum" => Op::Sum,
            "min" => Op::Min,
            "max" => Op::Max,
            "range" => Op::Range,
            "var" => Op::Var { ddof: 0 },
            "std" => Op::Std { ddof: 0 },
            "argmin" => Op::ArgMin,
            "argmax" => Op::ArgMax,
            "any" => Op::Any,
            "all" => Op::All,
            "count-valid" => Op::CountValid,
            "norm" | "norm-l2" | "l2" => Op::NormL2,
            "norm-l1" | "l1" => Op::NormL1,
            "product" => Op::Product,
            "median" => Op::Percentile(Percentile::parse("50")?, Method::Linear),
            other => {
                let Some(q) = other.strip_prefix("percentile:") else {
                    return Err(Error::Usage(format!(
                        "{name:?} is not a reduction: expected mean, sum, min, max, median, std, var, range, argmin, \
                         argmax, any, all, count-valid, norm-l1, norm-l2, product or percentile:Q"
                    )));
                };
                Op::Percentile(Percentile::parse(q)?, Method::Linear)
            }
        };
        Ok(op)
    }

    /// The type of the result over samples of type `input`, where none is asked for. `count`: how many samples
    /// each result takes, where that is known; a median of an odd number is one of them.
    pub fn output(&self, input: DataType, count: Option<u64>) -> DataType {
        let real = if input == DataType::F32 || input.bytes() <= 2 { DataType::F32 } else { DataType::F64 };
        match self {
            Op::Min | Op::Max | Op::Range => input,
            Op::Any | Op::All => DataType::U8,
            Op::ArgMin | Op::ArgMax => DataType::I64,
            Op::CountValid => DataType::U64,
            Op::Sum | Op::Product | Op::NormL1 if input.is_float() => DataType::F64,
            Op::Sum | Op::Product if input.is_signed_integer() => DataType::I64,
            Op::Sum | Op::Product | Op::NormL1 => DataType::U64,
            Op::Percentile(p, method) => {
                let whole = count.filter(|&n| n > 0).is_some_and(|n| p.place(n, *method).is_sample());
                if whole { input } else { real }
            }
            Op::Mean | Op::Var { .. } | Op::Std { .. } | Op::NormL2 => real,
        }
    }
}

//! Which Arrow type a PostgreSQL type travels in, and in which form the server sends it.

use arrow::datatypes::{DECIMAL128_MAX_PRECISION, DECIMAL256_MAX_PRECISION, DataType, TimeUnit};

/// How values of a type are read. Domains are read as their base type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    Bool,
    Int2,
    Int4,
    Int8,
    Oid,
    Float4,
    Float8,
    /// `numeric(p,s)` that Arrow can hold.
    Decimal {
        precision: u8,
        scale: i8,
    },
    /// Any other `numeric`, as canonical text.
    Numeric,
    Text,
    /// `char(n)`: trailing blanks are not part of the value, as PostgreSQL's own comparison has it.
    Padded,
    Name,
    Bytea,
    Date,
    Time,
    Timestamp,
    TimestampTz,
    Uuid,
    Json,
    Jsonb,
    Enum,
    /// Everything else: the text that the type's output function writes.
    Output {
        /// Whether values vary in size (and may be stored out of line).
        variable: bool,
    },
}

/// What the catalogue says about a column's type, domains already followed to their base.
#[derive(Clone, Copy, Debug)]
pub(super) struct BaseType {
    /// Its oid.
    pub(super) oid: u32,
    /// Its modifier, -1 for none.
    pub(super) modifier: i32,
    /// `typtype` is `e`.
    pub(super) is_enum: bool,
    /// `typlen` is -1 or -2.
    pub(super) variable: bool,
}

impl BaseType {
    /// How its values are read. Oids of `pg_catalog` types never change (pg_type.dat).
    pub(super) fn family(self) -> Family {
        match self.oid {
            16 => Family::Bool,
            17 => Family::Bytea,
            19 => Family::Name,
            20 => Family::Int8,
            21 => Family::Int2,
            23 => Family::Int4,
            25 | 1043 => Family::Text,
            26 => Family::Oid,
            114 => Family::Json,
            700 => Family::Float4,
            701 => Family::Float8,
            1042 => Family::Padded,
            1082 => Family::Date,
            1083 => Family::Time,
            1114 => Family::Timestamp,
            1184 => Family::TimestampTz,
            1700 => self.numeric(),
            2950 => Family::Uuid,
            3802 => Family::Jsonb,
            _ if self.is_enum => Family::Enum,
            _ => Family::Output { variable: self.variable },
        }
    }

    /// Precision and scale from the modifier (numeric.c, `numeric_typmod_precision` and `numeric_typmod_scale`): since
    /// PostgreSQL 15 the scale is a signed number of 11 bits. A negative scale gives whole numbers, a scale over the precision small ones.
    fn numeric(self) -> Family {
        if self.modifier < 4 {
            return Family::Numeric;
        }
        let packed = self.modifier - 4;
        let precision = (packed >> 16) & 0xffff;
        let scale = ((packed & 0x7ff) ^ 1024) - 1024;
        let precision = if scale < 0 { precision - scale } else { precision.max(scale) };
        match (u8::try_from(precision), i8::try_from(scale.max(0))) {
            (Ok(precision @ 1..=DECIMAL256_MAX_PRECISION), Ok(scale)) => Family::Decimal { precision, scale },
            _ => Family::Numeric,
        }
    }
}

impl Family {
    /// The Arrow type, and whether it stands for canonical text of a type that is not decoded.
    pub(super) fn arrow(self) -> (DataType, bool) {
        let micros = TimeUnit::Microsecond;
        match self {
            Self::Bool => (DataType::Boolean, false),
            Self::Int2 => (DataType::Int16, false),
            Self::Int4 => (DataType::Int32, false),
            Self::Int8 => (DataType::Int64, false),
            Self::Oid => (DataType::UInt32, false),
            Self::Float4 => (DataType::Float32, false),
            Self::Float8 => (DataType::Float64, false),
            Self::Decimal { precision, scale } if precision <= DECIMAL128_MAX_PRECISION => {
                (DataType::Decimal128(precision, scale), false)
            }
            Self::Decimal { precision, scale } => (DataType::Decimal256(precision, scale), false),
            Self::Bytea => (DataType::Binary, false),
            Self::Date => (DataType::Date32, false),
            Self::Time => (DataType::Time64(micros), false),
            Self::Timestamp => (DataType::Timestamp(micros, None), false),
            Self::TimestampTz => (DataType::Timestamp(micros, Some("UTC".into())), false),
            Self::Text | Self::Padded | Self::Name | Self::Uuid | Self::Json | Self::Jsonb | Self::Enum => {
                (DataType::Utf8, false)
            }
            Self::Numeric | Self::Output { .. } => (DataType::Utf8, true),
        }
    }

    /// SQL for the stored size of a value, where values may be large. `octet_length` is the real size, `pg_column_size` the
    /// stored (perhaps compressed) one; neither reads a value that is stored out of line.
    pub(super) fn size(self, value: &str) -> Option<String> {
        match self {
            Self::Text | Self::Padded | Self::Bytea => Some(format!("octet_length({value})")),
            Self::Json | Self::Jsonb | Self::Output { variable: true } => Some(format!("pg_column_size({value})")),
            Self::Bool
            | Self::Int2
            | Self::Int4
            | Self::Int8
            | Self::Oid
            | Self::Float4
            | Self::Float8
            | Self::Decimal { .. }
            | Self::Numeric
            | Self::Name
            | Self::Date
            | Self::Time
            | Self::Timestamp
            | Self::TimestampTz
            | Self::Uuid
            | Self::Enum
            | Self::Output { variable: false } => None,
        }
    }

    /// SQL for the value in the form that is decoded. `format` calls the type's output function, as a cast to text does not always
    /// (`inet` gains a netmask by one); a row of NULLs `IS NULL`, but is not distinct from none.
    #[expect(clippy::wildcard_enum_match_arm, reason = "all but the types without a decoder are sent as they are")]
    pub(super) fn sent(self, value: &str) -> String {
        match self {
            Self::Output { variable: true } => format!("format('%s', {value})"),
            Self::Output { variable: false } => {
                format!("CASE WHEN {value} IS DISTINCT FROM NULL THEN format('%s', {value}) END")
            }
            _ => value.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numerics_are_decimals_where_arrow_has_one() {
        let numeric = |precision: i32, scale: i32| {
            let modifier = ((precision << 16) | (scale & 0x7ff)) + 4;
            BaseType { oid: 1700, modifier, is_enum: false, variable: true }.family().arrow()
        };
        assert_eq!(numeric(12, 2), (DataType::Decimal128(12, 2), false));
        assert_eq!(numeric(38, 38), (DataType::Decimal128(38, 38), false));
        assert_eq!(numeric(39, 0), (DataType::Decimal256(39, 0), false));
        assert_eq!(numeric(77, 0), (DataType::Utf8, true));
        assert_eq!(numeric(3, -2), (DataType::Decimal128(5, 0), false));
        assert_eq!(numeric(3, 5), (DataType::Decimal128(5, 5), false));
        assert_eq!(numeric(1000, 1000), (DataType::Utf8, true));
        assert_eq!(numeric(2, -1000), (DataType::Utf8, true));
    }
}

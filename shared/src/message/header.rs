//! The names of the headers that our messages have.

/// When a message was published, in milliseconds since 1970.
pub const PUBLISHED_AT: &str = "published_at_ms";
/// When the row of a prediction was published, in milliseconds since 1970.
pub const FEATURES_PUBLISHED_AT: &str = "features_published_at_ms";
/// The names of a row's features, a list of texts.
pub const FEATURE_NAMES: &str = "x-feature-names";
/// What the model is called that has predicted.
pub const MODEL: &str = "model";
/// Its version: the first 12 hex digits of the model file's SHA-256.
pub const MODEL_VERSION: &str = "model_version";
/// As what it has predicted; absent of the one that serves.
pub const MODEL_ROLE: &str = "model_role";
/// The features that a prediction was made from: f64, little-endian, row by row.
pub const FEATURES: &str = "features";

/// Where a message is in a trace, and what others have to say of that: see [`crate::trace`].
pub const TRACE_PARENT: &str = "traceparent";
/// See [`TRACE_PARENT`].
pub const TRACE_STATE: &str = "tracestate";

/// The code of what is wrong, of a dead letter and of a reply that is an error.
pub const REASON: &str = "x-reason";
/// What is wrong, in words.
pub const DETAIL: &str = "x-detail";
/// Which service could not use the message.
pub const SERVICE: &str = "x-service";
/// How often the message was handed out.
pub const ATTEMPTS: &str = "x-attempts";
/// The same for each copy of a letter.
pub const LETTER_ID: &str = "x-letter-id";
/// Which item of its message a letter is, such as `2 of 64`.
pub const PART: &str = "x-part";
/// How much of the body a letter has, where that is not all.
pub const SHORTENED: &str = "x-shortened";
/// How many headers a letter lacks.
pub const HEADERS_DROPPED: &str = "x-headers-dropped";
/// How often a letter was put back into its queue.
pub const REQUEUED: &str = "x-requeued";

/// How the headers begin that say what a message was before it became a letter.
pub const ORIGINAL: &str = "x-original-";
/// What the message was called of which a letter is one item.
pub const ORIGINAL_MESSAGE_ID: &str = "x-original-message-id";
/// How many bytes the body had that is shortened.
pub const ORIGINAL_LENGTH: &str = "x-original-length";
/// Its SHA-256, in hex.
pub const ORIGINAL_SHA256: &str = "x-original-sha256";
/// The property `user_id`, upon which the broker would act.
pub const ORIGINAL_USER_ID: &str = "x-original-user-id";
/// The property `expiration`, upon which the broker would act.
pub const ORIGINAL_EXPIRATION: &str = "x-original-expiration";
/// The header `CC`, upon which the broker would act.
pub const ORIGINAL_CC: &str = "x-original-cc";
/// The header `BCC`, upon which the broker would act.
pub const ORIGINAL_BCC: &str = "x-original-bcc";
/// The bytes of properties that could not be read.
pub const ORIGINAL_PROPERTIES: &str = "x-original-properties";
/// How many they were.
pub const ORIGINAL_PROPERTIES_LENGTH: &str = "x-original-properties-length";
/// Their SHA-256, in hex.
pub const ORIGINAL_PROPERTIES_SHA256: &str = "x-original-properties-sha256";

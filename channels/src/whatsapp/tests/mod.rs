//! WhatsApp as the customer, the operator and Meta see it.

use super::*;

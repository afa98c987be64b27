//! Token buckets and windows, keyed, tiered, bounded in memory

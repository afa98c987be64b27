//! The gateway's JSON vocabulary, one enum each way, payloads carried unparsed

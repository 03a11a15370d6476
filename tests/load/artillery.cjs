// Response times by tool, as histograms: the ws engine measures none, and the http engine knows no tools.
module.exports = {
  asked(context, events, next) {
    context.vars.askedAt = process.hrtime.bigint();
    next();
  },
  answered(context, events, next) {
    const milliseconds = Number(process.hrtime.bigint() - context.vars.askedAt) / 1e6;
    events.emit("histogram", `mcp.${context.vars.tool}`, milliseconds);
    next();
  },
};

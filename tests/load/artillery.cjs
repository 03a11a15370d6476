// Response times for Artillery's ws engine, which measures none: a histogram per tool.
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

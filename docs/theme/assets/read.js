// What people paste: a print, code, or a list of tensors.
const isPrint = (text) => {
  if (PRINTED.test(text)) return true;
  const [, name, rest] = text.match(/^\s*([A-Z]\w*) ?\(([^]*)\)\s*$/) ?? [];
  if (name === undefined || /\bnn\.|\b\w+\(|\)\s*\n/.test(rest.replaceAll("torch.Size(", "("))) return false;
  return /\n/.test(rest.trim()) ? !classes.has(name) : Boolean(classes.get(name)?.holds) && !own(PARTS, name);
};

const read = (text) => {
  const slips = [];
  let told = { notes: [], others: 0 };
  const found = [];
  try {
    told = { ...told, ...(isPrint(text) ? readPrint : readCode)(text, slips) };
    for (const [prefix, node, root = ""] of told.tops) {
      for (const group of groups(node, prefix && `${prefix}.`, slips)) found.push({ ...group, root });
    }
  } catch (error) {
    if (!(error instanceof RangeError)) console.error(error); // of a text that nobody foresaw
    slips.push(say("This is too much, or no numbers."));
  }
  return { found, slips, notes: told.notes, others: told.others };
};

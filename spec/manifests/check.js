// SPDX-License-Identifier: MIT
// Checks manifests against the schemas of Kubernetes, as the package kubernetes-models has them:
// node check.js FILE...
"use strict";
const fs = require("fs");
const path = require("path");
const yaml = require("yaml");

let wrong = 0, checked = 0;

function complain(file, text) {
  console.error(`${file}: ${text}`);
  wrong++;
}

// The schemas allow unknown fields. A field that they have not read is one: so all reads are noted.
function watched(value, path, unread) {
  if (value === null || typeof value !== "object") return value;
  const inside = {};
  for (const name of Object.keys(value)) {
    const at = `${path}/${name}`;
    inside[name] = watched(value[name], at, unread);
    unread.add(at);
  }
  return new Proxy(value, {
    get(target, name) {
      unread.delete(`${path}/${String(name)}`);
      return name in inside ? inside[name] : target[name];
    },
  });
}

function capital(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

// "apps/v1" and "StatefulSet" -> its schema
function schema(object) {
  const [version, group = "core"] = object.apiVersion.split("/").reverse();
  const name = `IoK8sApi${capital(group.split(".")[0])}${capital(version)}${object.kind}`;
  return require(path.join(path.dirname(require.resolve("kubernetes-models")), "_schemas", name)).validate;
}

function check(file, object) {
  const what = `${object.kind} ${object.metadata && object.metadata.name}`;
  let validate;
  try {
    validate = schema(object);
  } catch (e) {
    return complain(file, `${what}: there is no ${object.kind} in ${object.apiVersion}`);
  }
  const unread = new Set();
  if (!validate(watched(object, "", unread)))
    for (const e of validate.errors) complain(file, `${what}: ${e.instancePath} ${e.keyword} ${JSON.stringify(e.params)}`);
  else
    for (const at of unread) complain(file, `${what}: ${at} is no field`);
  checked++;
}

for (const file of process.argv.slice(2)) {
  for (const doc of yaml.parseAllDocuments(fs.readFileSync(file, "utf8"))) {
    for (const e of [...doc.errors, ...doc.warnings]) complain(file, e.message);
    check(file, doc.toJS());
  }
}
if (!wrong) console.log(`manifests: ${checked} objects are fine`);
process.exit(wrong ? 1 : 0);

import { createHmac, timingSafeEqual } from "node:crypto";

/** The body, if Patchbay signed these bytes in the last five minutes; else an Error. */
export function verified(headers, body, secret, now = Date.now() / 1000) {
  const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64");
  const [id, stamp] = [headers["webhook-id"], headers["webhook-timestamp"]];
  if (!(Math.abs(now - Number(stamp)) <= 300)) throw new Error("signed too long ago, or in the future");
  const right = createHmac("sha256", key).update(`${id}.${stamp}.`).update(body).digest();
  for (const signature of headers["webhook-signature"].split(" ")) {
    const [version, given = ""] = signature.split(",");
    const bytes = Buffer.from(given, "base64");
    if (version === "v1" && bytes.length === right.length && timingSafeEqual(bytes, right)) return body;
  }
  throw new Error("the signature does not fit the secret");
}

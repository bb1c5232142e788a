// The colour of one fragment: what is woven, printed or grown there (by its place on the average body at rest), its
// folds, and a studio's light. `place` is that point in metres, z up from the soles; its fourth number a mask.

float hash(vec3 p) { p = fract(p * vec3(443.897, 441.423, 437.195)); p += dot(p, p.yzx + 19.19); return fract((p.x + p.y) * p.z); }

float noise(vec3 p)
{
  vec3 i = floor(p), f = fract(p);
  f = f * f * (3.0 - 2.0 * f);
  vec2 o = vec2(0.0, 1.0);
  return mix(mix(mix(hash(i), hash(i + o.yxx), f.x), mix(hash(i + o.xyx), hash(i + o.yyx), f.x), f.y),
             mix(mix(hash(i + o.xxy), hash(i + o.yxy), f.x), mix(hash(i + o.xyy), hash(i + o.yyy), f.x), f.y), f.z);
}

float cloudy(vec3 p) { return 0.5 * noise(p) + 0.3 * noise(2.1 * p) + 0.2 * noise(4.3 * p); }

float stripe(float at, float width) { float w = fwidth(at); return smoothstep(width - w, width + w, abs(2.0 * fract(at) - 1.0)); }

const vec2 arm = vec2(0.75, 0.66); // its direction at rest

vec3 pattern(vec3 p)
{
  float around = atan(p.x - sign(p.x) * axis.x, axis.y - p.y) * (axis.x > 0.0 ? 0.09 : 0.17);
  if (axis.x == 0.0 && abs(p.x) > 0.21) { around = p.y; p.z = dot(vec2(abs(p.x), -p.z), arm); } // sleeves
  float at = 0.0;
  if (kind == 1) at = stripe(p.z / scale, 0.5);
  if (kind == 2) at = 0.5 * stripe(p.z / scale, 0.45) + 0.5 * stripe(around / scale, 0.45);
  if (kind == 3) at = stripe(around / scale, 0.6);
  if (kind == 4) { vec2 q = fract(vec2(around, p.z) / scale) - 0.5; at = 1.0 - smoothstep(0.24, 0.3, length(q)); }
  if (kind == 5) at = smoothstep(0.48, 0.52, cloudy(vec3(p) / scale));
  if (kind == 6) { // a print on the chest
    vec2 q = (p.xz - vec2(0.0, print_height)) / vec2(0.1, 0.085);
    float ring = abs(length(q) - 0.75);
    float d = print_form == 0 ? length(q) : print_form == 1 ? max(abs(q.x), abs(q.y)) : print_form == 2 ? ring + 0.7 : abs(q.x) + abs(q.y);
    at = p.y < axis.y ? 1.0 - smoothstep(0.97, 1.03, d) : 0.0;
  }
  if (kind == 7 && abs(p.x) < 0.21) at = smoothstep(-0.006, 0.006, p.z - print_height); // two halves
  if (kind == 8 && abs(p.x) < 0.21) { float d = abs(p.z - print_height); at = 1.0 - smoothstep(0.045, 0.05, d); } // a band
  return mix(first, second, at);
}

vec3 bumped(vec3 n, vec3 at, float height)
{
  vec3 x = dFdx(at), y = dFdy(at), r = cross(y, n), s = cross(n, x);
  float area = dot(x, r);
  return normalize(abs(area) * n - sign(area) * (dFdx(height) * r + dFdy(height) * s));
}

vec3 shaded(vec3 n, vec3 at)
{
  vec3 p = place.xyz, color = first, view = normalize(-at);
  float soft = 0.0, gloss = 0.05, sharp = 12.0;
  if (dot(n, view) < 0.0) n = -n;
  if (material == 0) { // skin
    soft = 1.0; gloss = 0.16; sharp = 18.0;
    color = mix(first * (0.94 + 0.12 * cloudy(p * 60.0)), second, 0.75 * place.w);
  } else if (material == 1) { // eyes: place is the direction from the ball's centre
    float ahead = -normalize(p).y;
    color = mix(vec3(0.82, 0.79, 0.77), mix(second, vec3(0.01), smoothstep(0.965, 0.975, ahead)), smoothstep(0.88, 0.9, ahead));
    gloss = 0.6; sharp = 60.0;
  } else if (material == 2) { // hair
    float strand = cloudy(vec3(p.xy * 420.0, p.z * 22.0));
    color = first * (0.55 + 0.9 * strand);
    n = bumped(n, at, 0.004 * cloudy(vec3(p.xy * 160.0, p.z * 12.0)));
    gloss = 0.22; sharp = 14.0;
  } else if (material == 3) { // cloth
    if (p.z < lowest || p.z > highest || abs(p.x) > reach) discard;
    float weave = noise(p * 900.0), hem = 0.0;
    color = pattern(p);
    if (kind == 9) color = first * (0.7 + 0.35 * weave + 0.35 * cloudy(p * 9.0)); // denim
    color *= 0.92 + 0.16 * weave;
    hem = min(min(p.z - lowest, highest - p.z), reach - abs(p.x));
    if (hem > 0.010 && hem < 0.014) color *= 0.75;
    float fold = folds * (0.022 * cloudy(vec3(p.x * 6.0 + 2.0 * noise(p * 4.0), p.y * 6.0, p.z * 9.0 + seed)) + 0.0012 * noise(p * 40.0 + seed));
    n = bumped(n, at, fold);
    gloss = shine;
  } else { // leather and the like
    gloss = 0.3; sharp = 25.0;
    color = mix(first, second, smoothstep(0.018, 0.022, 0.04 - p.z));
  }
  vec3 key = normalize(vec3(-0.55, 0.6, 0.75)), fill = normalize(vec3(0.8, 0.15, 0.6)), back = normalize(vec3(0.5, 0.7, -0.6));
  float wrap = 0.25 + 0.2 * soft;
  vec3 lit = vec3(1.0, 0.98, 0.95) * 1.3 * max((dot(n, key) + wrap) / (1.0 + wrap), 0.0);
  lit += vec3(0.9, 0.95, 1.0) * 0.5 * max((dot(n, fill) + 0.4) / 1.4, 0.0);
  lit += vec3(1.0) * 0.35 * max(dot(n, back), 0.0);
  lit += mix(vec3(0.30, 0.29, 0.28), vec3(0.50, 0.52, 0.55), 0.5 + 0.5 * n.y) * 0.62;
  float edge = dot(n, key);
  lit += soft * vec3(0.16, 0.03, 0.01) * smoothstep(-0.4, 0.1, edge) * smoothstep(0.6, 0.0, edge);
  vec3 halfway = normalize(key + view);
  float shiny = gloss * pow(max(dot(n, halfway), 0.0), sharp) + 0.4 * gloss * pow(1.0 - max(dot(n, view), 0.0), 4.0);
  if (material == 2) shiny *= 0.4 + 1.2 * noise(vec3(p.xy * 300.0, 1.0));
  vec3 result = color * lit + vec3(shiny);
  result = result * (1.0 + result / 6.0) / (1.0 + 0.62 * result);
  return pow(result, vec3(1.0 / 2.2));
}

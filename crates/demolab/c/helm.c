// The program of the demo lab's helm image: what rancher/klipper-helm's entry script does, with real Helm as a library
// (helm-python-sdk's libhelm_c). usage: helm install|delete; what to do is in the environment that the Job gives.
#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t handle;
extern void helm_free_string(char *);
extern char *helm_sdk_version(void);
extern int32_t helm_config_new(const char *, handle *, char **);
extern int32_t helm_status(handle, const char *, const char *, char **, char **);
extern int32_t helm_install(handle, handle, handle, const char *, const char *, const char *, const char *, char **, char **);
extern int32_t helm_upgrade(handle, handle, handle, const char *, const char *, const char *, const char *, char **, char **);
extern int32_t helm_uninstall(handle, const char *, const char *, char **, char **);
extern int32_t helm_pull(handle, const char *, const char *, char **, char **);
extern int32_t helm_set_log_handler(void (*)(int32_t, const char *, void *), void *, int32_t);

enum { NOT_FOUND = -7, INFO = 1 };

static void line(int32_t level, const char *text, void *unused) {
  (void)level, (void)unused;
  fprintf(stderr, "%s\n", text);
}

static const char *env(const char *name) {
  const char *value = getenv(name);
  return value ? value : "";
}

static void *must(void *got) {
  if (!got) perror("helm"), exit(1);
  return got;
}

// The whole of a file with a zero behind it; NULL where there is none.
static char *slurp(const char *path, size_t *size) {
  FILE *file = fopen(path, "rb");
  if (!file) return NULL;
  char *text = NULL;
  size_t room = 0, used = 0, got;
  do {
    if (room - used < 65536) text = must(realloc(text, room = room * 2 + 131072));
    used += got = fread(text + used, 1, room - used - 1, file);
  } while (got);
  fclose(file);
  text[used] = 0;
  if (size) *size = used;
  return text;
}

// chartContent is base64 in a ConfigMap; the chart becomes a file that Helm can load.
static const char *unpacked(const char *from, const char *to) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  char *text = slurp(from, NULL);
  if (!text) return NULL;
  FILE *out = must(fopen(to, "wb"));
  uint32_t bits = 0;
  int have = 0;
  for (char *p = text; *p && *p != '='; p++) {
    const char *digit = strchr(digits, *p);
    if (!digit) {
      if (isspace((unsigned char)*p)) continue;
      fprintf(stderr, "chartContent is not base64\n");
      exit(1);
    }
    bits = bits << 6 | (uint32_t)(digit - digits);
    if ((have += 6) >= 8) fputc(bits >> (have -= 8) & 255, out);
  }
  if (fclose(out)) perror(to), exit(1);
  free(text);
  return to;
}

// 5m30s in seconds
static long seconds(const char *text) {
  long all = 0;
  for (char *p = (char *)text; *p;) {
    long n = strtol(p, &p, 10);
    all += *p == 'h' ? n * 3600 : *p == 'm' ? n * 60 : n;
    if (*p) p++;
  }
  return all ? all : 300;
}

// A JSON object, one pair after the other.
static void text_pair(FILE *out, const char *key, const char *value) {
  if (!*value) return;
  fprintf(out, ",\"%s\":\"", key);
  for (; *value; value++) fprintf(out, strchr("\"\\", *value) ? "\\%c" : (unsigned char)*value < 32 ? " " : "%c", *value);
  fputc('"', out);
}

static char *options(int install) {
  char *text;
  size_t size;
  FILE *out = must(open_memstream(&text, &size));
  fprintf(out, "{\"timeout_seconds\":%ld,\"wait\":\"hookOnly\"", seconds(env("TIMEOUT")));
  text_pair(out, "namespace", env("TARGET_NAMESPACE"));
  text_pair(out, "chart_repo_url", env("REPO"));
  text_pair(out, "chart_version", env("VERSION"));
  if (install && !strcmp(env("CREATE_NAMESPACE"), "true")) fprintf(out, ",\"create_namespace\":true");
  fprintf(out, "}");
  fclose(out);
  return text;
}

static void ended(const char *, int32_t, char *);

// A chart by its address is fetched first; the API's own certificate is what SSL_CERT_FILE vouches for.
static const char *fetched(const char *chart) {
  if (strncmp(chart, "http", 4) || !strstr(chart, "://") || *env("REPO")) return chart;
  char *out = NULL, *error = NULL;
  int32_t code = helm_pull(0, chart, "{\"dest_dir\":\"/tmp\"}", &out, &error);
  if (code) ended(chart, code, error);
  char *path = must(malloc(strlen(chart) + 8));
  sprintf(path, "/tmp%s", strrchr(chart, '/'));
  return path;
}

static void ended(const char *what, int32_t code, char *error) {
  if (code) {
    fprintf(stderr, "Error: %s: %s (%d)\n", what, error ? error : "no reason given", code);
    exit(1);
  }
  fprintf(stderr, "%s: done\n", what);
}

int main(int argc, char **argv) {
  const char *name = env("NAME"), *verb = argc > 1 ? argv[1] : "install";
  char *out = NULL, *error = NULL;
  handle config;
  fprintf(stderr, "airlab's stand-in for klipper-helm, Helm %s: %s %s in %s\n", helm_sdk_version(), verb, name, env("TARGET_NAMESPACE"));
  helm_set_log_handler(line, NULL, INFO);
  char where[512];
  snprintf(where, sizeof where, "{\"namespace\":\"%s\"}", env("TARGET_NAMESPACE"));
  int32_t code = helm_config_new(where, &config, &error);
  if (code) ended("configuration", code, error);
  char gone[64];
  snprintf(gone, sizeof gone, "{\"ignore_not_found\":true,\"timeout_seconds\":%ld}", seconds(env("TIMEOUT")));
  if (!strcmp(verb, "delete")) {
    code = helm_uninstall(config, name, gone, &out, &error);
    if (code == NOT_FOUND) code = 0;
    ended("uninstall", code, error);
    return 0;
  }
  const char *chart = unpacked("/chart/chart.tgz.base64", "/tmp/chart.tgz");
  if (!chart) chart = fetched(env("CHART"));
  char *values = slurp("/config/values.json", NULL);
  code = helm_status(config, name, NULL, &out, &error);
  int there = code == 0;
  if (code && code != NOT_FOUND) ended("status", code, error);
  error = NULL;
  if (there && !strstr(out, "\"status\":\"deployed\"") && !strstr(out, "\"status\":\"superseded\"")) {
    if (!strcmp(env("FAILURE_POLICY"), "abort")) {
      fprintf(stderr, "Error: release %s is in no good state, and failurePolicy is abort: left as it is\n", name);
      return 1;
    }
    fprintf(stderr, "release %s is in no good state: uninstalled and installed anew (failurePolicy reinstall)\n", name);
    code = helm_uninstall(config, name, gone, &out, &error);
    if (code) ended("uninstall", code, error);
    there = 0;
  }
  if (there)
    code = helm_upgrade(config, 0, 0, chart, name, values, options(0), &out, &error);
  else
    code = helm_install(config, 0, 0, chart, name, values, options(1), &out, &error);
  ended(there ? "upgrade" : "install", code, error);
  return 0;
}

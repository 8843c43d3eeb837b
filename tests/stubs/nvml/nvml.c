/* A stand-in for NVIDIA's libnvidia-ml.so.1: the functions that vecward calls through pynvml, and no GPU behind them.
 *
 * What it answers is in the file that VECWARD_STUB_NVML names, read anew at each call; one thing a line:
 *
 *   init CODE                                                 nvmlInit fails with this NVML error
 *   hang                                                      every call waits until this line has gone
 *   noperm                                                    compute modes can't be set
 *   gpu UUID TOTAL_MB USED_MB TEMP UTIL MIG ERROR NAME         a GPU; ERROR: its handle can't be had; TEMP -1: no sensor
 *   proc INDEX PID MB                                         a compute process on GPU INDEX; MB -1: not told
 *
 * A compute mode that is set is appended to FILE.mode.INDEX; the last line is the mode in force (none: 0).
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OK = 0, INVALID = 2, UNSUPPORTED = 3, NO_PERMISSION = 4, NOT_FOUND = 6, TOO_SMALL = 7 };
enum { MAX_GPUS = 8, MAX_PROCESSES = 64 };

typedef struct { unsigned long long total, free, used; } Memory;
typedef struct { unsigned int gpu, memory; } Utilisation;
typedef struct { unsigned int pid; unsigned long long used; unsigned int gpu_instance, compute_instance; } Process;
typedef struct { char uuid[96], name[96]; long total, used; int temperature, utilisation, mig, error; } Gpu;
typedef struct { int init, hang, noperm, gpus, processes; Gpu gpu[MAX_GPUS]; int on[MAX_PROCESSES]; Process process[MAX_PROCESSES]; } State;

static void parse(State *state, char *line) {
    Gpu *gpu = &state->gpu[state->gpus];
    Process *process = &state->process[state->processes];
    long mb;
    if (sscanf(line, "init %d", &state->init) == 1) return;
    if (strncmp(line, "hang", 4) == 0) { state->hang = 1; return; }
    if (strncmp(line, "noperm", 6) == 0) { state->noperm = 1; return; }
    if (state->gpus < MAX_GPUS && sscanf(line, "gpu %95s %ld %ld %d %d %d %d %95[^\n]", gpu->uuid, &gpu->total, &gpu->used,
                                         &gpu->temperature, &gpu->utilisation, &gpu->mig, &gpu->error, gpu->name) == 8) {
        state->gpus++;
        return;
    }
    if (state->processes < MAX_PROCESSES
        && sscanf(line, "proc %d %u %ld", &state->on[state->processes], &process->pid, &mb) == 3) {
        process->used = mb < 0 ? ~0ULL : (unsigned long long)mb << 20;
        state->processes++;
    }
}

static void read_once(State *state) {
    const char *path = getenv("VECWARD_STUB_NVML");
    FILE *file = path ? fopen(path, "r") : NULL;
    char line[512];
    memset(state, 0, sizeof *state);
    if (!file) { state->init = 12; return; }
    while (fgets(line, sizeof line, file)) parse(state, line);
    fclose(file);
}

static void look(State *state) {
    for (read_once(state); state->hang; read_once(state)) usleep(10000);
}

static int find(State *state, void *handle, Gpu **gpu) {
    long index = (long)handle - 1;
    look(state);
    if (index < 0 || index >= state->gpus) return INVALID;
    *gpu = &state->gpu[index];
    return (*gpu)->error;
}

static FILE *mode_file(void *handle, const char *how) {
    char path[4096];
    snprintf(path, sizeof path, "%s.mode.%ld", getenv("VECWARD_STUB_NVML"), (long)handle - 1);
    return fopen(path, how);
}

int nvmlInitWithFlags(unsigned int flags) { State s; (void)flags; look(&s); return s.init; }
int nvmlShutdown(void) { return OK; }
const char *nvmlErrorString(int code) { return code == OK ? "Success" : "an error of the stub"; }

int nvmlDeviceGetCount_v2(unsigned int *count) { State s; look(&s); *count = (unsigned int)s.gpus; return s.init; }

int nvmlDeviceGetHandleByIndex_v2(unsigned int index, void **handle) {
    State s; Gpu *gpu;
    *handle = (void *)(long)(index + 1);
    return find(&s, *handle, &gpu);
}

int nvmlDeviceGetHandleByUUID(const char *uuid, void **handle) {
    State s;
    look(&s);
    for (long index = 0; index < s.gpus; index++)
        if (strcmp(s.gpu[index].uuid, uuid) == 0) { *handle = (void *)(index + 1); return s.gpu[index].error; }
    return NOT_FOUND;
}

static int text(void *handle, char *out, unsigned int size, size_t offset) {
    State s; Gpu *gpu;
    int code = find(&s, handle, &gpu);
    if (code == OK) snprintf(out, size, "%s", (char *)gpu + offset);
    return code;
}

int nvmlDeviceGetUUID(void *handle, char *out, unsigned int size) { return text(handle, out, size, offsetof(Gpu, uuid)); }
int nvmlDeviceGetName(void *handle, char *out, unsigned int size) { return text(handle, out, size, offsetof(Gpu, name)); }

int nvmlDeviceGetMinorNumber(void *handle, unsigned int *minor) {
    State s; Gpu *gpu;
    *minor = (unsigned int)((long)handle - 1);
    return find(&s, handle, &gpu);
}

int nvmlDeviceGetMemoryInfo(void *handle, Memory *memory) {
    State s; Gpu *gpu;
    int code = find(&s, handle, &gpu);
    if (code != OK) return code;
    memory->total = (unsigned long long)gpu->total << 20;
    memory->used = (unsigned long long)gpu->used << 20;
    memory->free = memory->total - memory->used;
    return OK;
}

int nvmlDeviceGetTemperature(void *handle, unsigned int sensor, unsigned int *celsius) {
    State s; Gpu *gpu;
    int code = find(&s, handle, &gpu);
    (void)sensor;
    if (code != OK) return code;
    *celsius = (unsigned int)gpu->temperature;
    return gpu->temperature < 0 ? UNSUPPORTED : OK;
}

int nvmlDeviceGetUtilizationRates(void *handle, Utilisation *rates) {
    State s; Gpu *gpu;
    int code = find(&s, handle, &gpu);
    if (code != OK) return code;
    if (gpu->mig) return UNSUPPORTED; /* as the real one */
    rates->gpu = (unsigned int)gpu->utilisation;
    rates->memory = 0;
    return OK;
}

int nvmlDeviceGetComputeRunningProcesses_v3(void *handle, unsigned int *count, Process *out) {
    State s; Gpu *gpu;
    unsigned int found = 0, room = *count;
    int code = find(&s, handle, &gpu);
    if (code != OK) return code;
    for (int each = 0; each < s.processes; each++) {
        if (s.on[each] != (int)((long)handle - 1)) continue;
        if (out && found < room) out[found] = s.process[each];
        found++;
    }
    *count = found;
    return found > room ? TOO_SMALL : OK;
}

int nvmlDeviceGetMigMode(void *handle, unsigned int *current, unsigned int *pending) {
    State s; Gpu *gpu;
    int code = find(&s, handle, &gpu);
    if (code != OK) return code;
    *current = *pending = (unsigned int)gpu->mig;
    return OK;
}

int nvmlDeviceGetComputeMode(void *handle, unsigned int *mode) {
    State s; Gpu *gpu;
    int code = find(&s, handle, &gpu);
    FILE *file = code == OK ? mode_file(handle, "r") : NULL;
    *mode = 0;
    if (file) {
        while (fscanf(file, "%u", mode) == 1) {}
        fclose(file);
    }
    return code;
}

int nvmlDeviceSetComputeMode(void *handle, unsigned int mode) {
    State s; Gpu *gpu;
    int code = find(&s, handle, &gpu);
    FILE *file;
    if (code != OK) return code;
    if (s.noperm) return NO_PERMISSION;
    file = mode_file(handle, "a");
    if (!file) return INVALID;
    fprintf(file, "%u\n", mode);
    fclose(file);
    return OK;
}

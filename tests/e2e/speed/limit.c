/* The least that a client of an agent can do: sends a request to its socket, reads the answer, sets the variables, and becomes
 * the command. Called with the socket, the command's path and its arguments; answers are ANSWER bytes long. */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#ifndef ANSWER
#define ANSWER 600
#endif

int main(int argc, char **argv) {
    static const char *const names[] = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION"};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char request[900] = "", answer[ANSWER + 1] = "";
    size_t got = 0;
    int agent;
    if (argc < 3)
        return 2;
    strncpy(address.sun_path, argv[1], sizeof address.sun_path - 1);
    agent = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (agent < 0 || connect(agent, (struct sockaddr *)&address, sizeof address) != 0)
        return 1;
    if (write(agent, request, sizeof request) != sizeof request)
        return 1;
    while (got < ANSWER) {
        ssize_t more = read(agent, answer + got, ANSWER - got);
        if (more <= 0)
            return 1;
        got += (size_t)more;
    }
    for (size_t at = 0; at < sizeof names / sizeof *names; at++)
        if (setenv(names[at], answer, 1) != 0)
            return 1;
    execv(argv[2], argv + 2);
    return 127;
}

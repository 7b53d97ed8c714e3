<?php

declare(strict_types=1);

use App\TaskTransportFactory;
use Doctrine\DBAL\DriverManager;
use Symfony\Component\DependencyInjection\ServiceLocator;
use Symfony\Component\Messenger\Bridge\Doctrine\Transport\Connection;
use Symfony\Component\Messenger\Bridge\Doctrine\Transport\DoctrineTransport;
use Symfony\Component\Messenger\Handler\HandlersLocator;
use Symfony\Component\Messenger\MessageBus;
use Symfony\Component\Messenger\MessageBusInterface;
use Symfony\Component\Messenger\Middleware\HandleMessageMiddleware;
use Symfony\Component\Messenger\Middleware\SendMessageMiddleware;
use Symfony\Component\Messenger\Transport\Sender\SendersLocator;
use Symfony\Component\Messenger\Transport\Serialization\PhpSerializer;
use Symfony\Component\Messenger\Transport\TransportInterface;

// With Composer this is vendor/autoload.php; here these are Debian's packages.
set_include_path('.:/usr/share/php');
error_reporting(E_ALL & ~E_DEPRECATED & ~E_USER_DEPRECATED);
foreach (['Console', 'DependencyInjection', 'EventDispatcher', 'Messenger', 'Messenger/Bridge/Doctrine'] as $component) {
    require_once "/usr/share/php/Symfony/Component/$component/autoload.php";
}
require_once '/usr/share/php/Doctrine/DBAL/autoload.php';
require_once __DIR__ . '/TaskTransport.php';
require_once __DIR__ . '/TaskTransportFactory.php';

/** The message: a line of text that takes its time, and fails the first times if it should. */
final class Note
{
    public function __construct(
        public readonly string $text,
        public readonly int $milliseconds = 0,
        public readonly int $throws = 0,
        public readonly int $dies = 0,
    ) {
    }
}

/** The queue: tasks for a worker, or a table in SQLite. */
function message_transport(): TransportInterface
{
    static $transport;
    $dsn = $_SERVER['MESSENGER_TRANSPORT_DSN'] ?? '';
    $tasks = new TaskTransportFactory();
    return $transport ??= $tasks->supports($dsn, []) ? $tasks->createTransport($dsn, [], new PhpSerializer()) : message_table();
}

function message_table(): DoctrineTransport
{
    return new DoctrineTransport(
        new Connection(
            ['table_name' => 'messages', 'queue_name' => 'default'],
            DriverManager::getConnection(['driver' => 'pdo_sqlite', 'path' => getenv('MESSENGER_DATABASE')]),
        ),
        new PhpSerializer(),
    );
}

/** The bus: pages send through it, and the consumer handles what it receives through it. */
function message_bus(): MessageBusInterface
{
    $file = getenv('MESSENGER_DATABASE') . '.txt';
    $handle = static function (Note $note) use ($file): void {
        file_put_contents($file, "taken: $note->text\n", FILE_APPEND);
        $times = substr_count(file_get_contents($file), "taken: $note->text\n");
        $times > $note->throws || throw new RuntimeException("note \"$note->text\" fails for the $times. time");
        $times > $note->dies || exit(1);
        $until = hrtime(true) + $note->milliseconds * 1_000_000;
        while (hrtime(true) < $until) {
            usleep(10_000);
        }
        file_put_contents($file, "$note->text\n", FILE_APPEND);
    };
    return new MessageBus([
        new SendMessageMiddleware(new SendersLocator([Note::class => ['async']], new ServiceLocator(['async' => message_transport(...)]))),
        new HandleMessageMiddleware(new HandlersLocator([Note::class => [$handle]])),
    ]);
}
